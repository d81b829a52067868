"""The traces of each form that must be readable for ever."""

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
from tests.vectors.make_trace_v2 import SESSION, TORN, make
from tests.vectors.make_trace_v2 import frames as frames_in_segments

GOLDEN = Path(__file__).parents[2] / "vectors" / "trace-v1"
FORMAT = Path(__file__).parents[3] / "recorder" / "trace" / "FORMAT.md"
SEGMENTED = GOLDEN.with_name("trace-v2")
DIGESTS_OF_SEGMENTS = [
    "fbbef74a1117cbcfa3afe5b0cb582e4cc239f9680e8d76fc9571cda24632bf11",
    "f004accbf1c748f8108779707da9c014b90030e8b4f054a43bae5af2c1bf3c34",
    "8e582460cb2d1e4caee8d4b6ed9a74be39fe1499a9869d4f940040f3f29e7c81",
]
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


def test_the_golden_trace_in_segments_still_reads_and_verifies() -> None:
    """Manifest version 2: segments, the end of a writer that died, and the torn bytes beside; by ours and by the page."""
    names = sorted(SEGMENTED.glob("*.ecl"))
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in names] == DIGESTS_OF_SEGMENTS
    key = (SEGMENTED / "key.pub").read_bytes()
    found = verify(SEGMENTED, key)
    assert found.intact, found
    assert found.manifest is not None
    assert (found.manifest.interrupted, found.manifest.trimmed_bytes) == (True, len(TORN))
    assert (SEGMENTED / "tail-1.bin").read_bytes() == TORN
    with TraceReader(SEGMENTED) as reader:
        *read, gap, end = list(reader.frames())
    assert read == [frame for batch in frames_in_segments() for frame in batch]
    assert (facts(gap), facts(end)) == (
        {"kind": "interrupted", "torn_bytes": len(TORN)},
        {"reason": "interrupted"},
    )
    told, frames = verify_by_the_page.verify(SEGMENTED, key)
    assert told["session_id"] == SESSION
    assert len(frames) == len(read) + 2


def test_the_script_makes_the_golden_trace_again(tmp_path: Path) -> None:
    """Whoever runs it gets a trace of the same frames, by the same key."""
    make(tmp_path / "again")
    assert verify(tmp_path / "again", (SEGMENTED / "key.pub").read_bytes()).intact
    with TraceReader(tmp_path / "again") as one, TraceReader(SEGMENTED) as other:
        assert list(one.frames()) == list(other.frames())
        assert one.header == other.header


@pytest.mark.parametrize("name", ["trace-000001.ecl", "trace-000002.ecl", "trace-000003.ecl"])
@pytest.mark.parametrize("attack", ["removed", "emptied", "swapped", "put together"])
def test_a_segment_that_was_touched_is_found(tmp_path: Path, name: str, attack: str) -> None:
    """Whatever is done to a segment is found, the records' way where it can, else by its digest."""
    folder = Path(shutil.copytree(SEGMENTED, tmp_path / "copy"))
    other = folder / ("trace-000001.ecl" if name != "trace-000001.ecl" else "trace-000002.ecl")
    mine, theirs = (folder / name).read_bytes(), other.read_bytes()
    match attack:
        case "removed":
            (folder / name).unlink()
        case "emptied":
            (folder / name).write_bytes(b"")
        case "swapped":
            (folder / name).write_bytes(theirs)
            other.write_bytes(mine)
        case _:  # the whole is the same, its parts are not
            last = folder / "trace-000003.ecl"
            middle = folder / "trace-000002.ecl"
            middle.write_bytes(middle.read_bytes() + last.read_bytes()[:53])
            last.write_bytes(last.read_bytes()[53:])
    found = verify(folder, (SEGMENTED / "key.pub").read_bytes())
    assert not found.intact
    expected = {"removed": {"segment", "missing"}, "put together": {"segment"}}
    assert found.what in expected.get(attack, {"header", "order", "truncated", "segment"}), found


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
