"""Sealed traces: what the gateway writes it cannot read, what is changed is found, what is erased still verifies."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.capture.recovery import recover
from recorder.capture.session import Recording
from recorder.errors import ReaderKeyUnusable, SpoolUnavailable, TraceFormatError, TraceSealed
from recorder.replay.reader import TraceReader, verify
from recorder.seal.encryption import Aes256Gcm
from recorder.seal.signing import PublicKey, SigningKey
from recorder.seal.wrapping import ReaderKey, ReaderPublicKey, generate_reader_key, wrap
from recorder.trace import chain, records
from recorder.trace.frames import Frame, FrameType, encode
from tests.support.traces import SteppingClock, closed_trace, header, passed, studio, unexpected

SECRET = b"dose 3 mGy for Mme Martin"


def fill(recording: Recording) -> None:
    """Record a little, with something that must not be readable."""
    recording.record(FrameType.OUTPUT, 1, SECRET)
    recording.record(FrameType.INPUT, 1, SECRET)


@pytest.fixture
def readers(tmp_path: Path) -> list[ReaderKey]:
    """Two readers' keys; their public halves lie beside."""
    return [generate_reader_key(tmp_path / f"reader-{number}.pem") for number in (1, 2)]


@pytest.fixture
async def sealed(tmp_path: Path, readers: list[ReaderKey]) -> tuple[Path, PublicKey]:
    """A closed trace that both may read."""
    public = tuple(tmp_path / f"reader-{number}.pem.pub" for number in (1, 2))
    return await closed_trace(tmp_path / "made", fill, reader_keys=public)


def output(trace: Path, *keys: ReaderKey) -> bytes:
    """What the device said, for who has these keys."""
    with TraceReader(trace, keys) as reader:
        return b"".join(frame.payload for frame in reader.frames() if frame.type is FrameType.OUTPUT)


def test_each_reader_opens_it_alone(sealed: tuple[Path, PublicKey], readers: list[ReaderKey]) -> None:
    """Either of the two keys opens the trace, and it verifies without any."""
    trace, key = sealed
    assert [output(trace, reader) for reader in readers] == [SECRET, SECRET]
    assert verify(trace, key).intact


def test_everything_the_gateway_has_reads_nothing(
    sealed: tuple[Path, PublicKey], tmp_path: Path, readers: list[ReaderKey]
) -> None:
    """Its files hold no clear byte of what passed, and neither its own key nor the public ones open them."""
    trace, _ = sealed
    for path in (tmp_path / "made").rglob("*"):
        assert path.is_dir() or SECRET not in path.read_bytes(), path
    with pytest.raises(TraceSealed, match=readers[0].public.key_id):
        output(trace)
    own = tmp_path / "made" / "signing.pem"
    for path in (own, own.with_name("signing.pem.pub"), tmp_path / "reader-1.pem.pub"):
        with pytest.raises(ReaderKeyUnusable):
            ReaderKey.load(path)
    other = generate_reader_key(tmp_path / "somebody.pem")
    with pytest.raises(TraceSealed):
        output(trace, other)


def test_erased_is_unreadable_and_still_proves_itself(
    sealed: tuple[Path, PublicKey], readers: list[ReaderKey]
) -> None:
    """Without any wrap nobody reads the trace again; chain, manifest and signature still hold."""
    trace, key = sealed
    for path in trace.glob("*.wrap"):
        path.unlink()
    with pytest.raises(TraceSealed, match="destroyed"):
        output(trace, *readers)
    assert verify(trace, key).intact


def _gone(trace: Path, readers: list[ReaderKey], signer: SigningKey) -> None:
    del readers, signer
    next(trace.glob("*.wrap")).unlink()


def _flipped(trace: Path, readers: list[ReaderKey], signer: SigningKey) -> None:
    del readers, signer
    path = next(trace.glob("*.wrap"))
    _rewrite(path, path.read_bytes().replace(b'"wrapped":"', b'"wrapped":"A', 1))


def _of_another(trace: Path, readers: list[ReaderKey], signer: SigningKey) -> None:
    reader = readers[0].public
    _rewrite(trace / f"{reader.key_id}.wrap", wrap(header(), bytes(32), reader, signer))


def _exchanged(trace: Path, readers: list[ReaderKey], signer: SigningKey) -> None:
    del signer
    first, second = (trace / f"{reader.public.key_id}.wrap" for reader in readers)
    _rewrite(first, second.read_bytes())


def _rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.parametrize("attack", [_gone, _flipped, _of_another, _exchanged])
def test_a_wrap_that_was_touched_is_found(
    sealed: tuple[Path, PublicKey],
    tmp_path: Path,
    readers: list[ReaderKey],
    attack: Callable[[Path, list[ReaderKey], SigningKey], None],
) -> None:
    """One wrap removed, changed, taken from another trace or put in another's place is named by the verifier."""
    trace, key = sealed
    attack(trace, readers, SigningKey.load(tmp_path / "made" / "signing.pem"))
    found = verify(trace, key)
    assert found.what == "wrap", found


def test_a_wrap_with_another_key_opens_nothing(
    sealed: tuple[Path, PublicKey], tmp_path: Path, readers: list[ReaderKey]
) -> None:
    """The header commits to the data key: whoever can sign wraps cannot make a reader take another one."""
    trace, _ = sealed
    with TraceReader(trace) as reader:
        signer = SigningKey.load(tmp_path / "made" / "signing.pem")
        forged = wrap(reader.header, bytes(32), readers[0].public, signer)
    _rewrite(trace / f"{readers[0].public.key_id}.wrap", forged)
    with pytest.raises(TraceFormatError, match="another key"):
        output(trace, readers[0])


async def test_what_the_dead_leave_is_closed_without_a_key(tmp_path: Path, readers: list[ReaderKey]) -> None:
    """A recovery that has no reader key ends the trace; it verifies, and its readers read up to the last byte."""
    async with studio(tmp_path / "made", reader_keys=(tmp_path / "reader-1.pem.pub",)) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, SECRET)
        left = tmp_path / "left"
        shutil.copytree(made.settings.spool / opened.session_id, left)
        signer = SigningKey.load(made.settings.signing_key_path)
        recovered = recover(left, signer, SteppingClock())
        assert recovered is not None
        assert recovered.manifest.interrupted
        assert verify(left, made.public_key).intact
        assert output(left, readers[0]) == SECRET
        with TraceReader(left, readers) as reader:
            assert [frame.type for frame in reader.frames()][-2:] == [FrameType.GAP, FrameType.END]
        await recording.close("client_left")


async def test_who_comes_or_goes_counts_from_the_next_session_on(tmp_path: Path) -> None:
    """The folder of readers is looked at for each session: a new key, a retired one; an empty one lets nothing open."""
    folder = tmp_path / "readers"
    folder.mkdir()
    first = generate_reader_key(folder / "first.pem").public.key_id
    async with studio(tmp_path / "made", reader_folder=folder) as made:

        async def wrapped_for() -> set[str]:
            opened = header()
            recording = await made.recorder.open(opened, unexpected)
            await recording.close("client_left")
            return {path.stem for path in made.trace(opened.session_id).glob("*.wrap")}

        assert await wrapped_for() == {first}
        second = generate_reader_key(folder / "second.pem").public.key_id
        assert await wrapped_for() == {first, second}
        (folder / "first.pem.pub").rename(folder / "first.retired.pub")
        assert await wrapped_for() == {second}
        (folder / "second.pem.pub").unlink()
        with pytest.raises(SpoolUnavailable, match="no reader's public key"):
            await wrapped_for()
        (folder / "second.pem.pub").write_text("no key")
        with pytest.raises(SpoolUnavailable, match="no public key"):
            await wrapped_for()


async def test_an_open_record_holds_no_more_than_an_end(
    tmp_path: Path, sealed: tuple[Path, PublicKey], readers: list[ReaderKey]
) -> None:
    """Output that claims to need no key, in a chain that holds, is refused by every reader."""
    trace, _ = sealed
    with TraceReader(trace) as reader:
        head, link = records.file_head(reader.header)
    plain = encode([Frame(FrameType.OUTPUT, 1, 0, b"forged")])
    start = records.record_head(len(plain), 1, 0, records.OPEN)
    forged = tmp_path / "forged"
    shutil.copytree(trace, forged)
    _rewrite(forged / "trace-000001.ecl", head + start + plain + chain.link(link, start, plain))
    with pytest.raises(TraceFormatError, match="should have been sealed"):
        output(forged, *readers)


def test_a_record_opens_in_its_place_only() -> None:
    """A record is bound to its head and its trace's key: moved, renumbered or of another trace, it does not open."""
    suite = Aes256Gcm(bytes(32))
    head = records.record_head(3 + suite.overhead, 1, 5, 0)
    body = suite.seal(head, b"abc")
    assert suite.open(head, body) == b"abc"
    assert suite.seal(head, b"abc") != body
    for other, other_head in (
        (suite, records.record_head(3 + suite.overhead, 2, 5, 0)),
        (Aes256Gcm(b"\x01" * 32), head),
    ):
        with pytest.raises(TraceFormatError, match="not sealed"):
            other.open(other_head, body)


def test_a_reader_key_is_kept_from_others(tmp_path: Path) -> None:
    """A private key that others can read is refused with what to run, none is written over, and no text shows it."""
    path = tmp_path / "reader.pem"
    key = generate_reader_key(path)
    assert repr(key) == f"ReaderKey({key.public.key_id})"
    assert ReaderPublicKey.load(path.with_name("reader.pem.pub")).key_id == key.public.key_id
    with pytest.raises(ReaderKeyUnusable):
        generate_reader_key(path)
    path.chmod(0o644)
    with pytest.raises(ReaderKeyUnusable, match="chmod 600"):
        ReaderKey.load(path)
