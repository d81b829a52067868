"""Disks that stick, fill up or refuse: the session ends, the others don't notice, the evidence holds."""

import asyncio
import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.errors import RecordingFailed, SpoolFull, SpoolUnavailable
from recorder.replay.reader import TraceReader, verify
from recorder.trace.frames import FrameType, facts
from tests.support.disks import FreezableDisk, freezable_disk, small_disk
from tests.support.traces import HOSPITAL, Studio, header, passed, studio, unexpected
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
TIMEOUT = 0.5


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FreezableDisk]:
    """A disk to freeze."""
    with freezable_disk(tmp_path) as made:
        yield made


class Failure:
    """What `on_failure` was told, and when."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.told = asyncio.Event()
        self.at = 0.0

    def __call__(self, error: Exception) -> None:
        """Take it."""
        self.errors.append(error)
        self.at = time.monotonic()
        self.told.set()


def move_to(recording: Recording, target: Path) -> None:
    """Make one recording write to another disk, behind its back."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, recording.writer._descriptor)
    os.close(descriptor)


async def keystrokes(recording: Recording, count: int) -> list[float]:
    """Seconds that each of ``count`` keystrokes waited before it could pass."""
    waited = []
    for _ in range(count):
        started = time.monotonic()
        await passed(recording, FrameType.INPUT, 1, b'{"length":1}')
        waited.append(time.monotonic() - started)
    return waited


@pytest.mark.alone
async def test_a_stuck_disk_ends_only_the_session_that_waits_for_it(
    tmp_path: Path, disk: FreezableDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that blocks in the kernel fails its own recording in time; another of the same recorder echoes on."""
    # closing waits so long for the disk, and every other test for this one
    monkeypatch.setattr("recorder.capture.spool.SHIP_SECONDS", TIMEOUT)
    async with studio(tmp_path / "made", write_timeout_seconds=TIMEOUT) as made:
        failure = Failure()
        stuck = await made.recorder.open(header(), failure)
        other = await made.recorder.open(header(), unexpected)
        move_to(stuck, disk.path / "trace.ecl")
        quiet = sorted(await keystrokes(other, 100))
        disk.freeze()
        try:
            started = time.monotonic()
            forwarded: list[str] = []
            stuck.record(FrameType.OUTPUT, 1, b"lost", lambda: forwarded.append("lost"))
            stuck.record(FrameType.OUTPUT, 1, b"behind", lambda: forwarded.append("behind"))
            while_stuck: list[float] = []
            while not failure.told.is_set():
                while_stuck += await keystrokes(other, 10)
                assert time.monotonic() - started < 10 * TIMEOUT, "nobody noticed the stuck disk"
            assert TIMEOUT <= failure.at - started < 2 * TIMEOUT
            assert stuck.failed
            assert stuck.pending_bytes == 0
            with pytest.raises(RecordingFailed):
                stuck.record(FrameType.OUTPUT, 1, b"more")
            # the thread is still in write(2): closing comes back all the same
            await asyncio.wait_for(stuck.close("recording_failed"), 60)
            assert stuck.writing
            while_stuck.sort()
            assert while_stuck[len(while_stuck) // 2] < max(10 * quiet[len(quiet) // 2], 0.02)
            assert while_stuck[-1] < TIMEOUT
            assert forwarded == []
        finally:
            disk.thaw()
        await eventually(lambda: not stuck.writing)
        assert forwarded == []
        assert len(failure.errors) == 1
        name, told = made.alarms[0]
        assert (name, told["hospital_id"]) == ("alarm.recording_failed", HOSPITAL)
        await other.close("client_left")


async def test_a_stuck_spool_opens_nothing_and_its_traces_are_closed_later(
    tmp_path: Path, disk: FreezableDisk
) -> None:
    """With the whole spool stuck no session opens; once it answers, the broken trace is closed, shipped, and verifies."""
    async with studio(
        tmp_path / "made", spool=disk.path / "spool", write_timeout_seconds=2 * TIMEOUT
    ) as made:
        failure = Failure()
        opened = header()
        recording = await made.recorder.open(opened, failure)
        await passed(recording, FrameType.OUTPUT, 1, b"before")
        disk.freeze()
        try:
            recording.record(FrameType.OUTPUT, 1, b"never forwarded")
            await asyncio.wait_for(failure.told.wait(), 60)
            for _ in range(3):
                with pytest.raises(SpoolUnavailable, match="did not answer"):
                    await made.recorder.check_writable()
            with pytest.raises(SpoolUnavailable):
                await made.recorder.open(header(), unexpected)
        finally:
            disk.thaw()
        await recording.close("cut")
        await eventually(lambda: _shipped(made, opened.session_id))
        found = verify(made.trace(opened.session_id), made.public_key)
        assert found.intact, found
        assert found.manifest is not None
        assert (found.manifest.interrupted, found.manifest.end_reason) == (True, "recording_failed")
        await made.recorder.check_writable()


def _shipped(made: Studio, session_id: str) -> bool:
    return session_id in made.recorder.store.sessions(HOSPITAL)


async def test_a_full_disk_ends_the_session_and_keeps_what_passed(tmp_path: Path) -> None:
    """ENOSPC in the middle of a record: nothing of it passes, what passed is whole and verifies after room is made."""
    with small_disk(tmp_path, 2 << 20) as spool:
        async with studio(tmp_path / "made", spool=spool / "spool", write_timeout_seconds=5) as made:
            failure = Failure()
            opened = header()
            recording = await made.recorder.open(opened, failure)
            ballast = spool / "ballast"
            ballast.write_bytes(bytes(1 << 20))
            sent = 0
            while not failure.told.is_set():
                try:
                    await asyncio.wait_for(_either(recording, os.urandom(60_000), failure), 60)
                except RecordingFailed:
                    break
                sent += not failure.told.is_set()
            assert isinstance(failure.errors[0], OSError)
            assert sent > 5
            ballast.unlink()
            await recording.close("cut")
            await eventually(lambda: _shipped(made, opened.session_id))
            found = verify(made.trace(opened.session_id), made.public_key)
            assert found.intact, found
            with TraceReader(made.trace(opened.session_id)) as reader:
                *recorded, gap, end = list(reader.frames())
            assert gap.type is FrameType.GAP
            assert len(recorded) == sent
            assert facts(end) == {"reason": "recording_failed"}


async def _either(recording: Recording, payload: bytes, failure: Failure) -> None:
    """Record a frame and wait until it may pass or the recording failed."""
    may_pass = asyncio.Event()
    recording.record(FrameType.OUTPUT, 1, payload, may_pass.set)
    waits = [asyncio.ensure_future(event.wait()) for event in (may_pass, failure.told)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def test_a_file_that_may_not_grow_is_cut_back_to_whole_records(tmp_path: Path) -> None:
    """A short write followed by a refusal leaves no torn record behind."""
    async with studio(tmp_path) as made:
        failure = Failure()
        recording = await made.recorder.open(header(), failure)
        await passed(recording, FrameType.OUTPUT, 1, b"whole")
        whole = recording.writer.offset
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 100, hard))
        try:
            recording.record(FrameType.OUTPUT, 1, os.urandom(5000))
            await asyncio.wait_for(failure.told.wait(), 60)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (made.settings.spool / recording.session_id / "trace.ecl").stat().st_size == whole


async def test_too_little_room_opens_no_session(tmp_path: Path) -> None:
    """Below the room that the settings keep free, nothing opens, and the message names the setting."""
    async with studio(tmp_path, min_free_bytes=1 << 60) as made:
        with pytest.raises(SpoolFull, match="min_free_bytes"):
            await made.recorder.check_writable()
        with pytest.raises(SpoolFull):
            await made.recorder.open(header(), unexpected)


async def test_a_spool_that_is_gone_opens_no_session(tmp_path: Path) -> None:
    """A spool that disappeared refuses, and does not come back by itself as an empty folder."""
    async with studio(tmp_path) as made:
        shutil.rmtree(made.settings.spool)
        with pytest.raises(SpoolUnavailable):
            await made.recorder.open(header(), unexpected)
        assert not made.settings.spool.exists()
        made.settings.spool.mkdir()


async def test_a_trace_moves_between_file_systems(tmp_path: Path) -> None:
    """A store on another disk gets the trace whole and read-only; spool and tail are emptied."""
    with small_disk(tmp_path, 8 << 20) as spool:
        async with studio(tmp_path / "made", spool=spool / "spool") as made:
            opened = header()
            recording = await made.recorder.open(opened, unexpected)
            await passed(recording, FrameType.OUTPUT, 1, b"far")
            await recording.close("client_left")
            trace = made.trace(opened.session_id)
            assert verify(trace, made.public_key).intact
            files = [path for path in trace.iterdir() if path.name[0] != "."]
            assert {path.stat().st_mode & 0o777 for path in files} == {0o440}
            assert list((spool / "spool").glob("[!.]*")) == []
            assert list((made.settings.store / "live").rglob(opened.session_id)) == []


async def test_a_recorder_that_is_not_started_opens_nothing(tmp_path: Path) -> None:
    """Before `start` there is no key: nothing could be signed, so nothing opens."""
    async with studio(tmp_path) as made:
        other = Recorder(made.settings, node="n", now=lambda: header().started_at)
        with pytest.raises(SpoolUnavailable, match="not started"):
            await other.open(header(), unexpected)
