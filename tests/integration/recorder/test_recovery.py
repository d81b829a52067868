"""What is left after a process died or a record was torn."""

import asyncio
import fcntl
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from recorder.capture.folder import SpoolFolder
from recorder.replay.reader import TraceReader, read_manifest, verify
from recorder.seal.signing import SigningKey
from recorder.store.catalog import SessionFilters, SessionState
from recorder.trace.frames import FrameType, facts
from tests.support.traces import HOSPITAL, header, passed, prepare, studio, unexpected

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]


async def killed_writer(folder: Path, session_id: str, frames: int) -> list[int]:
    """Run a writer until it let ``frames`` frames pass, kill it, and say which passed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.recorder.writer_process",
        str(folder),
        session_id,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        for _ in range(frames):
            assert await asyncio.wait_for(process.stdout.readline(), 60)
    finally:
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
    complete = rest[: rest.rfind(b"\n") + 1].split()
    return list(range(frames + len(complete)))


@pytest.mark.parametrize("frames", [1, 500])
async def test_after_kill_9_everything_that_passed_is_there_and_verifies(tmp_path: Path, frames: int) -> None:
    """Every frame that had passed is in the trace, which is closed as interrupted and verifies."""
    await prepare(tmp_path)
    session_id = uuid4().hex
    let_pass = await killed_writer(tmp_path, session_id, frames)
    async with studio(tmp_path) as made:
        assert made.recovered == [session_id]
        found = verify(made.trace(session_id), made.public_key)
        assert found.intact
        assert found.manifest is not None
        assert (found.manifest.interrupted, found.manifest.end_reason) == (True, "interrupted")
        with TraceReader(made.trace(session_id)) as reader:
            *recorded, gap, end = list(reader.frames())
        assert facts(end) == {"reason": "interrupted"}
        assert gap.type is FrameType.GAP
        assert facts(gap)["kind"] == "interrupted"
        numbers = [int(frame.payload.split(b":")[0]) for frame in recorded]
        assert numbers[: len(let_pass)] == let_pass
        assert numbers == list(range(len(numbers)))
        assert [name for name, _ in made.alarms] == ["alarm.trace_interrupted"]
        listed = await made.recorder.catalog.session(HOSPITAL, session_id)
        assert listed.state is SessionState.ENDED
        assert list(made.settings.spool.glob("[!.]*")) == []


async def left_in_spool(folder: Path, session_id: str) -> Path:
    """A live trace of three records as a dead process leaves it in the spool of ``folder``."""
    settings = await prepare(folder)
    async with studio(folder / "elsewhere") as made:
        recording = await made.recorder.open(header(session_id), unexpected)
        for payload in (b"one", b"two", b"three"):
            await passed(recording, FrameType.OUTPUT, 1, payload)
        settings.spool.mkdir(mode=0o700)
        return Path(shutil.copytree(made.settings.spool / session_id, settings.spool / session_id))


def back_in_spool(stored: Path, spool: Path) -> Path:
    """A closed trace as it lay in the spool before it was brought to the store."""
    directory = spool / stored.name
    directory.mkdir()
    segments = sorted(stored.glob("trace-*.ecl"))
    (directory / "trace.ecl").write_bytes(b"".join(path.read_bytes() for path in segments))
    for name in ("manifest.json", "manifest.sig"):
        shutil.copyfile(stored / name, directory / name)
    return directory


async def test_a_torn_record_is_trimmed_at_any_byte_and_kept_beside(tmp_path: Path) -> None:
    """Wherever the last record was torn, recovery keeps the whole ones, and the fragment in a file."""
    template = await left_in_spool(tmp_path / "template", "f" * 32)
    whole = (template / "trace.ecl").read_bytes()
    with TraceReader(template) as reader:
        sizes = [record.size for record in reader.records()]
    for cut in range(1, sizes[-1], 7):
        place = tmp_path / f"cut-{cut}"
        settings = await prepare(place)
        shutil.copytree(template, settings.spool / template.name)
        os.truncate(settings.spool / template.name / "trace.ecl", len(whole) - cut)
        async with studio(place) as made:
            trace = made.trace(template.name)
            found = verify(trace, made.public_key)
            assert found.intact, found
            assert found.manifest is not None
            assert found.manifest.trimmed_bytes == sizes[-1] - cut
            with TraceReader(trace) as reader:
                *kept, gap, _end = reader.frames()
            assert [frame.payload for frame in kept] == [b"one", b"two"]
            assert facts(gap) == {"kind": "interrupted", "torn_bytes": sizes[-1] - cut}
            fragment = trace / "tail-1.bin"
            assert fragment.read_bytes() == whole[-sizes[-1] : -cut]
            fragment.chmod(0o600)
            fragment.write_bytes(b"other")
            assert verify(trace, made.public_key).what == "file"


async def test_a_trace_with_its_end_is_closed_as_it_ended(tmp_path: Path) -> None:
    """A process that died between END and manifest leaves a complete trace: not interrupted."""
    settings = await prepare(tmp_path)
    session_id = uuid4().hex
    async with studio(tmp_path / "elsewhere") as made:
        recording = await made.recorder.open(header(session_id), unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"bye")
        await recording.close("window_ended")
        settings.spool.mkdir(mode=0o700)
        copy = back_in_spool(made.trace(session_id), settings.spool)
    (copy / "manifest.sig").unlink()
    async with studio(tmp_path) as made:
        found = verify(made.trace(session_id), made.public_key)
        assert found.intact
        assert found.manifest is not None
        assert (found.manifest.interrupted, found.manifest.end_reason) == (False, "window_ended")


async def test_a_living_trace_is_left_alone(tmp_path: Path) -> None:
    """A second gateway on the same spool does not touch a trace whose process lives."""
    async with studio(tmp_path) as first:
        recording = await first.recorder.open(header("e" * 32), unexpected)
        async with studio(tmp_path) as second:
            assert second.recovered == []
        await passed(recording, FrameType.OUTPUT, 1, b"still here")
        await recording.close("client_left")
        assert verify(first.trace("e" * 32), first.public_key).intact


async def test_an_unreadable_trace_is_left_and_told_of(tmp_path: Path) -> None:
    """A trace whose header is damaged stays where it is, raises an alarm, and stops nothing else."""
    bad = await left_in_spool(tmp_path, "a" * 32)
    data = bytearray((bad / "trace.ecl").read_bytes())
    data[40] ^= 1
    (bad / "trace.ecl").write_bytes(data)
    good = bad.with_name("b" * 32)
    async with studio(tmp_path / "elsewhere") as made:
        recording = await made.recorder.open(header(good.name), unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"fine")
        shutil.copytree(made.settings.spool / good.name, good)
    async with studio(tmp_path) as made:
        assert made.recovered == [good.name]
        assert ("alarm.trace_not_shipped", bad.name) in [
            (name, told["session_id"]) for name, told in made.alarms
        ]
        assert (bad / "trace.ecl").read_bytes() == bytes(data)


async def test_half_made_folders_of_the_dead_are_removed(tmp_path: Path) -> None:
    """A folder without its name yet goes away when its maker is dead, and stays while it lives."""
    spool = tmp_path / "spool"
    for name in ("dead", "alive"):
        (spool / f".new-{name}").mkdir(parents=True)
        (spool / f".new-{name}" / "trace.ecl").write_bytes(b"half")
    with (spool / ".new-alive" / "trace.ecl").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert SpoolFolder(spool, 0).left_overs() == []
        assert [path.name for path in spool.iterdir()] == [".new-alive"]


async def test_a_trace_that_an_earlier_version_signed_is_shipped_as_it_is(tmp_path: Path) -> None:
    """Left in the spool with a manifest without segments, it arrives in one file, by the manifest it was signed with."""
    session_id = uuid4().hex
    async with studio(tmp_path / "elsewhere") as made:
        recording = await made.recorder.open(header(session_id), unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"old")
        await recording.close("client_left")
        stored = made.trace(session_id)
    settings = await prepare(tmp_path)
    settings.spool.mkdir(mode=0o700)
    left = back_in_spool(stored, settings.spool)
    key = SigningKey.load(settings.signing_key_path)
    manifest = replace(read_manifest(left), segments=(), signer=key.public.key_id)
    (left / "manifest.json").write_bytes(manifest.to_json())
    (left / "manifest.sig").write_bytes(key.sign(manifest.to_json()))
    async with studio(tmp_path) as made:
        assert made.recovered == [session_id]
        trace = made.trace(session_id)
        assert sorted(path.name for path in trace.iterdir() if path.name[0] != ".") == [
            "manifest.json",
            "manifest.sig",
            "trace.ecl",
        ]
        assert (trace / "manifest.json").read_bytes() == manifest.to_json()
        assert verify(trace, made.public_key).intact


async def test_a_trace_that_arrived_before_the_crash_is_only_cleared_away(tmp_path: Path) -> None:
    """A crash between arriving in the store and leaving the spool is made good, once."""
    session_id = uuid4().hex
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(header(session_id), unexpected)
        await recording.close("client_left")
        back_in_spool(made.trace(session_id), made.settings.spool)
    async with studio(tmp_path) as made:
        assert made.recovered == [session_id]
        assert list(made.settings.spool.glob("[!.]*")) == []
        assert verify(made.trace(session_id), made.public_key).intact
        page = await made.recorder.catalog.sessions(SessionFilters(hospital_id=HOSPITAL))
        assert len(page.sessions) == 1
