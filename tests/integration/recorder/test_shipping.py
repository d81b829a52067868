"""A live trace on its way to the store: its tail, its segments, and what a crash or a store out of reach leaves."""

import asyncio
import math
import os
import shutil
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from recorder.capture import courier
from recorder.capture.session import Recording
from recorder.errors import StoreUnreachable
from recorder.replay.reader import TraceReader, read_manifest, verify
from recorder.store.folder import FolderStore
from recorder.trace.frames import FrameType
from recorder.trace.place import SEGMENT_BYTES, TracePlace
from tests.support.traces import Studio, header, passed, studio, unexpected
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
NOISE = os.urandom(1 << 20)


async def noise(recording: Recording, mebibytes: int) -> None:
    """Record this much that does not compress."""
    for _ in range(mebibytes):
        await passed(recording, FrameType.OUTPUT, 1, NOISE)


def spooled(made: Studio, session_id: str) -> bytes:
    """What the spool has of a live trace."""
    return (made.settings.spool / session_id / "trace.ecl").read_bytes()


async def test_a_live_trace_grows_in_the_store(tmp_path: Path) -> None:
    """What passed is in the store's tail soon after, byte for byte, and is in no closed trace yet."""
    async with studio(tmp_path) as made:
        opened = header()
        place = TracePlace.of(opened)
        recording = await made.recorder.open(opened, unexpected)
        store, courier = made.recorder.store, made.recorder.courier
        for text in (b"one", b"two"):
            await passed(recording, FrameType.OUTPUT, 1, text)
            await eventually(lambda: courier.state().lag_bytes == 0)
            assert store.read(place, 0, 1 << 20) == spooled(made, opened.session_id)
        assert courier.state().reachable_since is not None
        assert store.sessions(opened.hospital_id) == []
        await recording.close("client_left")
        assert verify(made.trace(opened.session_id), made.public_key).intact
        assert not (made.settings.store / place.live).exists()


async def test_segments_are_cut_at_the_borders_of_records(tmp_path: Path) -> None:
    """A long trace lies in segments of at most 16 MiB, each begins with a record, and together they verify and read."""
    async with studio(tmp_path) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await noise(recording, 36)
        await recording.close("client_left")
        trace = made.trace(opened.session_id)
        found = verify(trace, made.public_key)
        assert found.intact, found
        assert found.manifest is not None
        sizes = [segment["bytes"] for segment in found.manifest.segments]
        assert len(sizes) == 3
        assert max(sizes) <= SEGMENT_BYTES
        assert SEGMENT_BYTES - min(sizes[:2]) < 2 << 20
        with TraceReader(trace) as reader:
            edges, at = set(), reader.bytes_read
            for record in reader.records():
                at += record.size
                edges.add(at)
        assert {sizes[0], sizes[0] + sizes[1]} < edges


async def test_a_trace_that_rested_goes_on_to_the_store_once_something_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is silent is looked at no more, and what she types after that reaches the store as it did before."""
    monkeypatch.setattr(courier, "LOOK_SECONDS", math.inf)
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(header(), unexpected)
        for said in (b"early", b"late", b"later"):
            await passed(recording, FrameType.OUTPUT, 1, said)
            await eventually(lambda: made.recorder.courier.state().lag_bytes == 0)
            made.recorder.courier.round(time.monotonic())  # finds that it rests


async def test_an_old_segment_is_cut_however_small(tmp_path: Path) -> None:
    """After a quarter of an hour what there is becomes a segment in the store, while the session goes on."""
    async with studio(tmp_path) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"early")
        await eventually(lambda: made.recorder.courier.state().lag_bytes == 0)
        made.recorder.courier.round(time.monotonic() + 900)
        first = made.settings.store / TracePlace.of(opened).folder / "trace-000001.ecl"
        await eventually(first.exists)
        assert first.read_bytes() == spooled(made, opened.session_id)
        await passed(recording, FrameType.OUTPUT, 1, b"late")
        await recording.close("client_left")
        assert len(read_manifest(first.parent).segments) == 2
        assert verify(first.parent, made.public_key).intact


async def test_after_a_crash_what_was_begun_is_finished(tmp_path: Path) -> None:
    """Segments that had arrived stay the files they are, the rest follows, the tail goes, and the trace verifies."""
    session_id = uuid4().hex
    dead = tmp_path / "dead"
    async with studio(tmp_path / "living") as made:
        opened = header(session_id)
        place = TracePlace.of(opened)
        recording = await made.recorder.open(opened, unexpected)
        await noise(recording, 20)
        first = made.settings.store / place.folder / "trace-000001.ecl"
        await eventually(lambda: first.exists() and made.recorder.courier.state().lag_bytes == 0)
        # all that a killed process leaves behind
        shutil.copytree(made.settings.spool, dead / "spool")
        shutil.copytree(made.settings.store, dead / "traces")
        shutil.copyfile(tmp_path / "living" / "signing.pem", dead / "signing.pem")
        shutil.copyfile(tmp_path / "living" / "signing.pem.pub", dead / "signing.pem.pub")
        (dead / "signing.pem").chmod(0o600)
        await recording.close("client_left")
    arrived = (dead / "traces" / place.folder / "trace-000001.ecl").stat()
    with (dead / "spool" / session_id / "segments.list").open("ab") as torn:
        torn.write(b'{"bytes":17,"na')
    async with studio(dead) as made:
        assert made.recovered == [session_id]
        trace = made.trace(session_id)
        found = verify(trace, made.public_key)
        assert found.intact, found
        assert found.manifest is not None
        assert found.manifest.interrupted
        assert len(found.manifest.segments) == 2
        now = (trace / "trace-000001.ecl").stat()
        assert (now.st_ino, now.st_mtime_ns) == (arrived.st_ino, arrived.st_mtime_ns)
        assert not (made.settings.store / place.live).exists()
        assert list(made.settings.spool.glob("[!.]*")) == []


async def test_a_store_that_does_not_serve_stops_no_recording(tmp_path: Path) -> None:
    """Frames pass all the same, the alarm is raised once, and when it serves again everything arrives."""
    async with studio(tmp_path, patience_seconds=0.2, retry_seconds=0.2, steady_seconds=0.3) as made:
        live = made.settings.store / "live"
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await eventually(lambda: made.recorder.courier.state().lag_bytes == 0)
        shutil.rmtree(live)
        live.write_bytes(b"in the way")
        await passed(recording, FrameType.OUTPUT, 1, b"spooled")
        await eventually(lambda: made.recorder.courier.state().unreachable_since is not None)
        with pytest.raises(StoreUnreachable):
            await made.recorder.courier.check()
        state = made.recorder.courier.state()
        assert isinstance(state.error, StoreUnreachable)
        assert state.lag_bytes > 0
        await passed(recording, FrameType.OUTPUT, 1, b"still")
        live.unlink()
        await eventually(lambda: made.recorder.courier.state().lag_bytes == 0)
        await eventually(lambda: len(made.alarms) == 3)
        state = await made.recorder.courier.check()
        assert (state.unreachable_since, state.error, state.lag_seconds) == (None, None, 0)
        told = [name for name, _ in made.alarms]
        assert told == ["alarm.store_unreachable", "store.reachable", "store.gap"]
        assert made.recorder.store.read(TracePlace.of(opened), 0, 1 << 20) == spooled(made, opened.session_id)
        await recording.close("client_left")
        assert verify(made.trace(opened.session_id), made.public_key).intact


async def test_a_store_that_hangs_keeps_no_keystroke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every thread of the store waits, frames pass, syncs are made, and a check answers in its time."""
    hanging = asyncio.Event()
    loop = asyncio.get_running_loop()
    released = threading.Event()

    def hang(*_: object) -> None:
        loop.call_soon_threadsafe(hanging.set)
        released.wait(60)

    async with studio(tmp_path) as made:
        monkeypatch.setattr(FolderStore, "append", hang)
        monkeypatch.setattr(FolderStore, "check", hang)
        recording = await made.recorder.open(header(), unexpected)
        try:
            await passed(recording, FrameType.OUTPUT, 1, b"first")
            await asyncio.wait_for(hanging.wait(), 60)
            for _ in range(100):
                await passed(recording, FrameType.INPUT, 1, b'{"length":1}')
            with pytest.raises(StoreUnreachable, match="did not answer"):
                await made.recorder.courier.check(0.05)
        finally:
            released.set()
        await recording.close("client_left")
