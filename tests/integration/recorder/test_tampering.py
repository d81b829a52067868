"""Attacks on a closed trace: each is found, and the place is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.capture.session import Recording
from recorder.errors import ChainBroken
from recorder.replay.reader import TraceReader, verify
from recorder.seal.signing import PublicKey, generate_key
from recorder.trace import chain, records
from recorder.trace.frames import FrameType
from tests.support.traces import closed_trace, header, passed, studio, unexpected

pytestmark = pytest.mark.integration


@pytest.fixture
async def small(tmp_path: Path) -> tuple[Path, PublicKey]:
    """A trace of five records and the END record, one keystroke a record."""
    async with studio(tmp_path / "made") as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        for text in (b"login: ", b"alice", b"\r\n", b"$ ", b"exit"):
            await passed(recording, FrameType.OUTPUT, 1, text)
        await recording.close("client_left")
        copy = tmp_path / opened.session_id
        shutil.copytree(made.trace(opened.session_id), copy)
    for path in copy.iterdir():
        path.chmod(0o600)
    return copy, made.public_key


def bounds(trace: Path) -> tuple[int, list[tuple[int, int]]]:
    """Where the records begin, and the first and last offset of each."""
    with TraceReader(trace) as reader:
        start = at = reader.bytes_read
        found = []
        for record in reader.records():
            found.append((at, at + record.size))
            at += record.size
    return start, found


def record_at(offset: int, start: int, found: list[tuple[int, int]]) -> int:
    """Number of the record that holds this byte, 0 for the header."""
    if offset < start:
        return 0
    return next(number for number, (first, end) in enumerate(found, 1) if first <= offset < end)


def test_an_untouched_trace_verifies(small: tuple[Path, PublicKey]) -> None:
    """The trace as written is intact, from its folder or its file, with the key or its PEM text."""
    folder, key = small
    assert verify(folder, key).intact
    assert verify(folder / "trace-000001.ecl", key.to_pem()).intact
    assert verify(folder, key).records == 6


def test_every_flipped_bit_is_found_and_its_record_named(small: tuple[Path, PublicKey]) -> None:
    """Any byte of the trace changed: the very record that holds it is named, 0 for the header."""
    folder, key = small
    trace = folder / "trace-000001.ecl"
    good = trace.read_bytes()
    start, found = bounds(trace)
    for offset in range(len(good)):
        bad = bytearray(good)
        bad[offset] ^= 1 << (offset % 8)
        trace.write_bytes(bad)
        problem = verify(folder, key).problem
        assert problem is not None, f"byte {offset} changed unseen"
        assert problem.record == record_at(offset, start, found), f"byte {offset}: {problem}"


def test_every_truncation_is_found_and_its_record_named(small: tuple[Path, PublicKey]) -> None:
    """The trace cut anywhere, between records too: the first record that is not whole is named."""
    folder, key = small
    trace = folder / "trace-000001.ecl"
    good = trace.read_bytes()
    start, found = bounds(trace)
    for length in range(len(good)):
        trace.write_bytes(good[:length])
        problem = verify(folder, key).problem
        assert problem is not None, f"cut at {length} unseen"
        assert problem.record == record_at(length, start, found), f"cut at {length}: {problem}"


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_every_flipped_bit_beside_the_trace_is_found(small: tuple[Path, PublicKey], name: str) -> None:
    """Any byte of the manifest or its signature changed: the proof does not hold."""
    folder, key = small
    good = (folder / name).read_bytes()
    for offset in range(len(good)):
        bad = bytearray(good)
        bad[offset] ^= 1 << (offset % 8)
        (folder / name).write_bytes(bad)
        problem = verify(folder, key).problem
        assert problem is not None, f"byte {offset} changed unseen"
        assert problem.what == "signature"


def pieces(trace: Path) -> tuple[bytes, list[bytes]]:
    """The file head and the records, as bytes."""
    data = trace.read_bytes()
    start, found = bounds(trace)
    return data[:start], [data[first:end] for first, end in found]


def test_a_deleted_record_is_found(small: tuple[Path, PublicKey]) -> None:
    """A record taken out of the middle: the place it left is named."""
    folder, key = small
    head, parts = pieces(folder / "trace-000001.ecl")
    (folder / "trace-000001.ecl").write_bytes(head + b"".join(parts[:2] + parts[3:]))
    found = verify(folder, key)
    assert (found.what, found.record) == ("order", 3)


def test_swapped_records_are_found(small: tuple[Path, PublicKey]) -> None:
    """Two records that changed places: the first of them is named."""
    folder, key = small
    head, parts = pieces(folder / "trace-000001.ecl")
    parts[1], parts[2] = parts[2], parts[1]
    (folder / "trace-000001.ecl").write_bytes(head + b"".join(parts))
    found = verify(folder, key)
    assert (found.what, found.record) == ("order", 2)


def test_a_record_added_at_the_end_is_found(small: tuple[Path, PublicKey]) -> None:
    """A further record that continues the chain rightly is still more than was signed."""
    folder, key = small
    trace = folder / "trace-000001.ecl"
    with TraceReader(trace) as reader:
        last = list(reader.records())[-1]
    head = records.record_head(4, last.sequence + 1, last.wall_ns, 0)
    trace.write_bytes(trace.read_bytes() + head + b"more" + chain.link(last.link, head, b"more"))
    found = verify(folder, key)
    assert (found.what, found.record) == ("order", 7)


def rewritten(trace: Path, number: int, body: bytes) -> Iterator[bytes]:
    """The trace with one record's body replaced and the chain made to fit again."""
    data, parts = pieces(trace)
    yield data
    link = data[-chain.DIGEST_BYTES :]
    for at, part in enumerate(parts, 1):
        _, sequence, wall_ns, flags = records.RECORD_HEAD.unpack_from(part)
        new = body if at == number else part[records.RECORD_HEAD.size : -chain.DIGEST_BYTES]
        head = records.record_head(len(new), sequence, wall_ns, flags)
        link = chain.link(link, head, new)
        yield head + new + link


def test_a_substituted_record_with_a_chain_made_to_fit_is_found(small: tuple[Path, PublicKey]) -> None:
    """Who recomputes the whole chain still cannot sign it: the signed chain differs."""
    folder, key = small
    trace = folder / "trace-000001.ecl"
    _, parts = pieces(trace)
    body = parts[1][records.RECORD_HEAD.size : -chain.DIGEST_BYTES].replace(b"alice", b"mallo")
    trace.write_bytes(b"".join(rewritten(trace, 2, body)))
    found = verify(folder, key)
    assert (found.what, found.record) == ("manifest", None)
    assert "chain" in str(found.problem)


async def test_a_trace_replaced_by_another_signed_one_is_found(
    small: tuple[Path, PublicKey], tmp_path: Path
) -> None:
    """A whole other trace, rightly signed, is not the one that the catalogue knows."""
    folder, _ = small

    def fill(recording: Recording) -> None:
        recording.record(FrameType.OUTPUT, 1, b"nothing to see")

    async with studio(tmp_path / "made") as made:
        known = await made.recorder.catalog.session(header().hospital_id, folder.name)
    other, key = await closed_trace(tmp_path / "made", fill)
    assert known.closing is not None
    assert verify(folder, key, manifest_sha256=known.closing.manifest_sha256).intact
    problem = verify(other, key, manifest_sha256=known.closing.manifest_sha256).problem
    assert problem is not None
    assert problem.what == "manifest"


def test_another_key_does_not_verify(small: tuple[Path, PublicKey], tmp_path: Path) -> None:
    """A key that did not sign says so, and names the one that did."""
    folder, key = small
    other = generate_key(tmp_path / "other.pem").public
    problem = verify(folder, other).problem
    assert problem is not None
    assert problem.what == "signature"
    assert key.key_id in problem.detail


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "trace-000001.ecl"])
def test_a_missing_file_is_no_proof(small: tuple[Path, PublicKey], name: str) -> None:
    """Without one of its three files, a trace does not verify, and nothing is raised."""
    folder, key = small
    (folder / name).unlink()
    problem = verify(folder, key).problem
    assert problem is not None
    assert problem.what == "missing"


async def test_frames_before_the_damage_can_still_be_read(small: tuple[Path, PublicKey]) -> None:
    """A reader gives what is whole, then raises at the record that is not."""
    folder, _ = small
    trace = folder / "trace-000001.ecl"
    _, found = bounds(trace)
    data = bytearray(trace.read_bytes())
    data[found[2][1] - 40] ^= 1
    trace.write_bytes(data)
    seen: list[bytes] = []
    with TraceReader(folder) as reader, pytest.raises(ChainBroken) as caught:
        seen.extend(frame.payload for frame in reader.frames())
    assert seen == [b"login: ", b"alice"]
    assert (caught.value.record, caught.value.what) == (3, "digest")


def test_the_manifest_names_the_session(small: tuple[Path, PublicKey]) -> None:
    """The signed manifest tells whose session it was and how it ended."""
    folder, key = small
    manifest = verify(folder, key).manifest
    assert manifest is not None
    assert (manifest.session_id, manifest.end_reason, manifest.interrupted) == (
        folder.name,
        "client_left",
        False,
    )
