"""A live recording: order, limits and endings."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from recorder.errors import RecordingFailed, SpoolUnavailable, TraceFormatError
from recorder.replay.reader import TraceReader, verify
from recorder.store.catalog import Catalog
from recorder.store.database import Database
from recorder.trace.frames import FORWARDED, MAX_PAYLOAD, SESSION, FrameType, canonical, facts
from tests.support.traces import header, passed, studio, unexpected

pytestmark = pytest.mark.integration


async def test_nothing_passes_before_it_is_in_the_spool(tmp_path: Path) -> None:
    """When `then` is called, a reader of the spool finds the frame, whole and chained; the order is kept."""
    async with studio(tmp_path) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        forwarded: list[bytes] = []
        unseen: list[bytes] = []
        done = asyncio.Event()

        def let_pass(payload: bytes) -> None:
            forwarded.append(payload)
            if len(forwarded) % 20 == 0:
                with TraceReader(made.settings.spool / opened.session_id) as reader:
                    if payload not in [frame.payload for frame in reader.frames()]:
                        unseen.append(payload)
            if len(forwarded) == 200:
                done.set()

        payloads = [b"%d" % number * (number % 50 + 1) for number in range(200)]
        for payload in payloads:
            recording.record(FrameType.OUTPUT, 1, payload, lambda payload=payload: let_pass(payload))  # type: ignore[misc]  # a lambda's default has no type of its own
            if len(payload) % 7 == 0:
                await asyncio.sleep(0)
        assert recording.pending_bytes > 0
        await asyncio.wait_for(done.wait(), 60)
        assert forwarded == payloads
        assert unseen == []
        assert recording.pending_bytes == 0
        await recording.close("client_left")


async def test_recording_never_calls_back_at_once(tmp_path: Path) -> None:
    """`then` is never called from inside `record`: nothing passes on the recorder's word alone."""
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(header(), unexpected)
        called: list[int] = []
        recording.record(FrameType.OUTPUT, 1, b"x", lambda: called.append(1))
        assert called == []
        await recording.close("client_left")
        assert called == [1]


async def test_a_forwarding_error_does_not_stop_the_others(tmp_path: Path) -> None:
    """A `then` that raises is reported to the loop; later frames pass."""
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(header(), unexpected)
        told: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

        def breaks() -> None:
            raise OSError("the channel is gone")

        recording.record(FrameType.OUTPUT, 1, b"x", breaks)
        await passed(recording, FrameType.OUTPUT, 1, b"y")
        assert [str(each["exception"]) for each in told] == ["the channel is gone"]
        await recording.close("client_left")


async def test_a_closed_recording_takes_no_more(tmp_path: Path) -> None:
    """After `close` begins, `record` refuses; a second `close` waits for the first; END is the last frame."""
    async with studio(tmp_path) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        closing = asyncio.ensure_future(recording.close("cut", by="the planner"))
        await asyncio.sleep(0)
        with pytest.raises(RecordingFailed, match="closing"):
            recording.record(FrameType.OUTPUT, 1, b"late")
        await recording.close("something else")
        await closing
        with TraceReader(made.trace(opened.session_id)) as reader:
            assert [facts(frame) for frame in reader.frames()] == [{"reason": "cut", "by": "the planner"}]


async def test_a_frame_too_large_is_refused_at_once(tmp_path: Path) -> None:
    """The largest frame is recorded; a larger one is refused in the caller, and the recording lives on."""
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(header(), unexpected)
        with pytest.raises(TraceFormatError, match="at most"):
            recording.record(FrameType.OUTPUT, 1, bytes(MAX_PAYLOAD + 1))
        await passed(recording, FrameType.OUTPUT, 1, bytes(range(256)) * (MAX_PAYLOAD // 256))
        await recording.close("client_left")


async def test_input_beyond_the_limit_is_hashed_and_said_so(tmp_path: Path) -> None:
    """The first bytes of a channel's input are kept, the rest leaves its length and digest before it passes."""
    async with studio(tmp_path, input_limit_bytes=1000) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        sent = {1: b"", 2: b""}
        for number in range(30):
            for channel in (1, 2):
                piece = bytes([number]) * (70 if channel == 1 else 20)
                sent[channel] += piece
                await passed(recording, FrameType.INPUT, channel, piece)
        await recording.close("client_left")
        with TraceReader(made.trace(opened.session_id)) as reader:
            frames = list(reader.frames())
        kept = {
            channel: b"".join(f.payload for f in frames if f.type is FrameType.INPUT and f.channel == channel)
            for channel in (1, 2)
        }
        assert kept == {1: sent[1][:1000], 2: sent[2]}
        digests = [frame for frame in frames if frame.type is FrameType.DIGEST]
        assert {frame.channel for frame in digests} == {1}
        assert facts(digests[-1]) == {
            "stream": "input",
            "bytes": len(sent[1]),
            "sha256": hashlib.sha256(sent[1]).hexdigest(),
        }
        assert len(digests) == 16  # one for each frame that crossed or passed the limit: none passed untold
        gaps = [frame for frame in frames if frame.type is FrameType.GAP]
        assert [(gap.channel, facts(gap)) for gap in gaps] == [
            (1, {"kind": "limit", "stream": "input", "kept": 1000})
        ]
        assert frames.index(gaps[0]) < frames.index(digests[0])


async def test_a_forwarded_port_has_a_limit_both_ways_and_a_process_only_for_input(tmp_path: Path) -> None:
    """Output of a port is cut at the limit like its input, each with its gap and digest; a shell's is kept whole."""
    async with studio(tmp_path, input_limit_bytes=100) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        port = {"kind": FORWARDED, "host": "localhost", "port": 443}
        await passed(recording, FrameType.OPEN, 1, canonical(port))
        await passed(recording, FrameType.OPEN, 2, canonical({"kind": SESSION}))
        sent = bytes(range(180))
        for channel, kind in ((1, FrameType.INPUT), (1, FrameType.OUTPUT), (2, FrameType.OUTPUT)):
            await passed(recording, kind, channel, sent[:100])
            await passed(recording, kind, channel, sent[100:])
        await recording.close("client_left")
        with TraceReader(made.trace(opened.session_id)) as reader:
            frames = list(reader.frames())
        told = [
            (frame.channel, frame.type, facts(frame))
            for frame in frames
            if frame.type in {FrameType.GAP, FrameType.DIGEST}
        ]
        whole = {"bytes": 180, "sha256": hashlib.sha256(sent).hexdigest()}
        assert told == [
            (1, kind, {**facts_of, "stream": stream})
            for stream in ("input", "output")
            for kind, facts_of in (
                (FrameType.GAP, {"kind": "limit", "kept": 100}),
                (FrameType.DIGEST, whole),
            )
        ]
        kept = [frame.payload for frame in frames if frame.type is FrameType.OUTPUT]
        assert kept == [sent[:100], sent[:100], sent[100:]]


async def test_lengths_of_keystrokes_are_never_cut(tmp_path: Path) -> None:
    """On a terminal input frames are lengths, not data: the limit does not touch them."""
    async with studio(tmp_path, input_limit_bytes=20) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        pty = {"term": "xterm", "columns": 80, "rows": 24}
        await passed(recording, FrameType.REQUEST, 1, canonical({"request": "shell", "pty": pty}))
        for _ in range(5):
            await passed(recording, FrameType.INPUT, 1, canonical({"length": 1}))
        await recording.close("client_left")
        with TraceReader(made.trace(opened.session_id)) as reader:
            kinds = [frame.type for frame in reader.frames()]
        assert kinds.count(FrameType.INPUT) == 5
        assert FrameType.DIGEST not in kinds


async def test_stop_closes_what_is_live(tmp_path: Path) -> None:
    """A recorder that stops leaves signed traces, not interrupted ones."""
    opened = header()
    async with studio(tmp_path) as made:
        recording = await made.recorder.open(opened, unexpected)
        recording.record(FrameType.OUTPUT, 1, b"last words")
    found = verify(made.trace(opened.session_id), made.public_key)
    assert found.intact
    assert found.manifest is not None
    assert (found.manifest.end_reason, found.manifest.interrupted) == ("gateway_stopped", False)


async def test_an_unknown_suite_opens_nothing(tmp_path: Path) -> None:
    """A header that names a suite we lack is refused before anything is written."""
    async with studio(tmp_path) as made:
        with pytest.raises(TraceFormatError, match="suite 7"):
            await made.recorder.open(header(suite=7), unexpected)
        assert list(made.settings.spool.glob("[!.]*")) == []


async def test_a_session_that_nobody_could_find_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the catalogue cannot be written, the session is refused, and its empty trace is swept up."""
    async with studio(tmp_path) as made:
        broken = Database(f"sqlite:///{tmp_path}/not/there.db")
        monkeypatch.setattr(made.recorder, "catalog", Catalog(broken))
        opened = header()
        with pytest.raises(SpoolUnavailable, match="catalogue"):
            await made.recorder.open(opened, unexpected)
        monkeypatch.undo()
        await broken.dispose()
    async with studio(tmp_path) as made:
        assert made.recovered == [opened.session_id]
        assert verify(made.trace(opened.session_id), made.public_key).intact


async def test_the_same_session_is_not_recorded_twice(tmp_path: Path) -> None:
    """A second trace of a live session is refused, and the first is untouched."""
    async with studio(tmp_path) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        with pytest.raises(SpoolUnavailable, match="already"):
            await made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"x")
        await recording.close("client_left")
        assert verify(made.trace(opened.session_id), made.public_key).intact
