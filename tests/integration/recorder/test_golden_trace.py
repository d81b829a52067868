"""The trace of format version 1 that must be readable for ever."""

import hashlib
import shutil
from pathlib import Path

import pytest

from recorder.errors import TraceFormatError
from recorder.replay.reader import TraceReader, verify
from recorder.trace.frames import FrameType, facts
from recorder.trace.records import MAX_BODY, MAX_PLAIN
from tests.support.traces import header
from tests.vectors import verify_by_the_page
from tests.vectors.make_trace_v1 import frames as made_of

GOLDEN = Path(__file__).parents[2] / "vectors" / "trace-v1"
FORMAT = Path(__file__).parents[3] / "recorder" / "trace" / "FORMAT.md"
DIGEST = "ceee75efeedffcdf8b6424620c70c679303170ba064f8be7e4b55fda8e200f08"


def test_the_golden_trace_is_the_one_that_was_made() -> None:
    """Nobody made the golden trace again to make a test pass."""
    assert hashlib.sha256((GOLDEN / "trace.ecl").read_bytes()).hexdigest() == DIGEST


def test_the_golden_trace_still_reads_and_verifies() -> None:
    """Today's code reads every frame of version 1 and holds the proof."""
    found = verify(GOLDEN, (GOLDEN / "key.pub").read_bytes())
    assert found.intact, found
    with TraceReader(GOLDEN) as reader:
        read = list(reader.frames())
        assert reader.header == header("0" * 31 + "1")
    kept = [(frame.type, frame.channel, frame.payload) for frame in read]
    digest = {"stream": "input", "bytes": 12, "sha256": hashlib.sha256(b"twelve bytes").hexdigest()}
    assert [facts(frame) for frame in read if frame.type is FrameType.DIGEST] == [digest]
    assert (FrameType.INPUT, 2, b"twelve b") in kept
    assert facts(read[-1]) == {"reason": "client_left", "channels": 2}
    told = [item for item in made_of() if item[2] != b"twelve bytes"]
    assert [item for item in kept if item in told] == told
    assert {frame.type for frame in read} == set(FrameType)
    assert [frame.at_ns for frame in read] == sorted(frame.at_ns for frame in read)


def test_a_verifier_written_from_the_page_agrees() -> None:
    """FORMAT.md is enough: a verifier that imports nothing of ours reads the same frames."""
    told, frames = verify_by_the_page.verify(GOLDEN, (GOLDEN / "key.pub").read_bytes())
    with TraceReader(GOLDEN) as reader:
        assert frames == [
            (int(each.type), each.channel, each.at_ns, each.payload) for each in reader.frames()
        ]
    assert told["session_id"] == "0" * 31 + "1"


def test_the_page_names_every_frame_type_and_limit() -> None:
    """FORMAT.md follows the code."""
    page = FORMAT.read_text()
    for kind in FrameType:
        assert f"| {int(kind)} | {kind.name.lower().replace('_', ' ')}" in page
    assert str(MAX_BODY) in page
    assert str(MAX_PLAIN) in page


@pytest.mark.parametrize(("offset", "value", "message"), [(7, 2, "version 2"), (0, 0, "no Écluse trace")])
def test_another_format_is_refused_by_name(tmp_path: Path, offset: int, value: int, message: str) -> None:
    """A later version, or something else, is refused with a message that says which."""
    copy = Path(shutil.copyfile(GOLDEN / "trace.ecl", tmp_path / "trace.ecl"))
    data = bytearray(copy.read_bytes())
    data[offset] = value
    copy.write_bytes(data)
    with pytest.raises(TraceFormatError, match=message):
        TraceReader(copy)
