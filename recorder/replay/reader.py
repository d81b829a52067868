"""Reading a trace, and proving offline that nobody touched it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import zstandard

from recorder.errors import ChainBroken, RecorderError, SignatureInvalid, TraceFormatError, TraceNotFound
from recorder.regular import regular
from recorder.replay.segments import open_trace
from recorder.replay.stub import check_stub, is_stub
from recorder.seal.encryption import CLEAR, Suite, suite
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import MAX_WRAP, SUFFIX, ReaderKey, check_wrap, data_key
from recorder.trace import frames, records
from recorder.trace.frames import Frame
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import MAX_MANIFEST, Manifest, StoredFile
from recorder.trace.place import MANIFEST, SIGNATURE
from recorder.trace.purge import PurgeRecord


class TraceReader:
    """One pass over a trace; each record is checked against the chain before its frames come out.

    Args:
        path: A trace's folder, with ``trace.ecl`` or segments, or the trace file itself, beside which the wraps of its
            key lie.
        readers: Keys that may open a sealed trace; none are needed to check it.

    Attributes:
        header: Who reached what.
        seed: The chain's first link.
        link: The chain's digest after the last record read.
        records_read: Records read so far.
        bytes_read: Bytes of the file read so far.
        segments: The segments that are read, or None where the trace is one file.

    Raises:
        TraceNotFound: The file cannot be opened.
        TraceFormatError: It is no trace of a version that we read, or its suite is unknown.
        ChainBroken: The header is not the one that was written.
    """

    def __init__(self, path: Path, readers: Sequence[ReaderKey] = ()) -> None:
        file, self.segments = open_trace(path)
        self._file: BinaryIO = file
        try:
            self.header: TraceHeader
            self.header, self.seed, self.bytes_read = records.read_head(file)
            self._suite = suite(self.header.suite)
            self._directory, self._readers = path if path.is_dir() else path.parent, readers
        except BaseException:
            file.close()
            raise
        self._decompressor = zstandard.ZstdDecompressor()
        self.link = self.seed
        self.records_read = 0
        self._unsealed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def records(self) -> Iterator[records.Record]:
        """The records that follow, as stored.

        Raises:
            ChainBroken: The next one is not the one that was written there.
        """
        while (record := records.read_record(self._file, self.records_read + 1, self.link)) is not None:
            self.link = record.link
            self.records_read = record.sequence
            self.bytes_read += record.size
            yield record

    def unseal(self, key: bytes | None = None) -> None:
        """Take the trace's data key now, and not only when the first frame is asked for.

        Args:
            key: The trace's data key, for who holds no reader's.

        Raises:
            ReaderKeyLocked: One of the readers' keys opens it, once somebody unlocks it.
            TraceSealed: It is sealed, and none of the readers' keys opens it.
        """
        if self.header.suite != CLEAR:
            key = data_key(self._directory, self.header, self._readers) if key is None else key
            self._suite = suite(self.header.suite, key)
        self._unsealed = True

    def frames(self, key: bytes | None = None) -> Iterator[Frame]:
        """The frames that follow, in the order in which they were recorded.

        Args:
            key: The trace's data key, for who holds no reader's.

        Raises:
            ChainBroken: A record is not the one that was written there; all before it came out.
            TraceFormatError: A record was made by no writer of this version.
            TraceSealed: It is sealed, and none of the readers' keys opens it.
        """
        if key is not None or not self._unsealed:
            self.unseal(key)
        for record in self.records():
            yield from frames_of(record, self._suite, self._decompressor)


def frames_of(
    record: records.Record, opener: Suite, decompressor: zstandard.ZstdDecompressor
) -> Iterator[Frame]:
    """The frames of one record.

    Raises:
        ChainBroken: The key does not open it.
        TraceFormatError: No writer of this version made it.
    """
    is_open = bool(record.flags & records.OPEN)
    content = record.body if is_open else opener.open(record.head, record.body)
    for frame in frames.decode(records.expand(decompressor, record.flags, content)):
        if is_open and frame.type not in frames.BORDERS:
            raise TraceFormatError(f"record {record.sequence} holds what should have been sealed")
        yield frame


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong with a trace.

    Attributes:
        what: ``header``, ``length``, ``order``, ``digest``, ``truncated``, ``format``, ``manifest``,
            ``segment``, ``signature``, ``file``, ``wrap``, ``purge`` or ``missing``.
        record: Number of the first bad record, from 1; 0 for the header, None where no record is to blame.
        detail: One sentence.
    """

    what: str
    record: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What an offline check found.

    Attributes:
        problem: The first thing wrong, or None.
        records: Whole records that continue the chain from the start.
        header: The header, when it can be read.
        manifest: The manifest, when its signature holds.
        purge: Where the content was purged by rule, the record of it; then ``records`` is what the manifest counts.
    """

    problem: Problem | None
    records: int
    header: TraceHeader | None
    manifest: Manifest | None
    purge: PurgeRecord | None = None

    @property
    def intact(self) -> bool:
        """Whether every byte is as it was signed."""
        return self.problem is None

    @property
    def what(self) -> str | None:
        """`Problem.what`, or None."""
        return None if self.problem is None else self.problem.what

    @property
    def record(self) -> int | None:
        """`Problem.record`, or None."""
        return None if self.problem is None else self.problem.record


def verify(
    directory_or_file: Path,
    public_key: PublicKey | bytes,
    *,
    manifest_sha256: str | None = None,
    consoles: Sequence[PublicKey] = (),
) -> Verification:
    """Check a closed trace from its files and a public key alone. Blocks; reads the whole trace.

    Args:
        directory_or_file: The trace's folder, or its ``trace.ecl`` beside which the manifest lies.
        public_key: The key of the gateway that recorded, or its PEM text.
        manifest_sha256: Digest of the manifest the catalogue knows, if at hand: then a trace that was
            replaced whole by another signed one is found too.
        consoles: Keys that sign checkpoints: by one of them wraps are signed that were made or taken away later, and
            purges; without it a purged trace does not verify.

    Raises:
        SignatureInvalid: The PEM text holds no Ed25519 public key; nothing was checked.
    """
    key = PublicKey.from_pem(public_key) if isinstance(public_key, bytes) else public_key
    directory = directory_or_file if directory_or_file.is_dir() else directory_or_file.parent
    if is_stub(directory):
        return _verify_stub(directory, key, manifest_sha256, consoles)
    header: TraceHeader | None = None
    count = 0
    try:
        with TraceReader(directory_or_file) as reader:
            header = reader.header
            try:
                for _ in reader.records():
                    pass
            finally:
                count = reader.records_read
            manifest = _signed_manifest(directory, key, manifest_sha256)
            problem = _missing_segment(directory, reader, manifest) or _compare(reader, manifest)
            problem = problem or _check_segments(reader, manifest)
            problem = problem or _check_files(directory, manifest)
            problem = problem or _check_wraps(directory, header, key, consoles)
            return Verification(problem, count, header, manifest)
    except ChainBroken as error:
        return Verification(Problem(error.what, error.record, str(error)), count, header, None)
    except SignatureInvalid as error:
        return Verification(Problem("signature", None, str(error)), count, header, None)
    except TraceNotFound as error:
        return Verification(Problem("missing", None, str(error)), count, header, None)
    except TraceFormatError as error:
        what, record = ("format", 0) if header is None else ("manifest", None)
        return Verification(Problem(what, record, str(error)), count, header, None)


def _verify_stub(
    directory: Path, key: PublicKey, manifest_sha256: str | None, consoles: Sequence[PublicKey]
) -> Verification:
    try:
        manifest = _signed_manifest(directory, key, manifest_sha256)
    except SignatureInvalid as error:
        return Verification(Problem("signature", None, str(error)), 0, None, None)
    except TraceNotFound as error:
        return Verification(Problem("missing", None, str(error)), 0, None, None)
    except TraceFormatError as error:
        return Verification(Problem("manifest", None, str(error)), 0, None, None)
    try:
        record = check_stub(directory, manifest, _read(directory / MANIFEST, MAX_MANIFEST), consoles)
    except (SignatureInvalid, TraceFormatError, TraceNotFound) as error:
        return Verification(Problem("purge", None, str(error)), 0, None, manifest)
    return Verification(None, manifest.records, None, manifest, record)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a closed trace, unverified: for lists, never for proof.

    Raises:
        TraceNotFound: There is none: the trace is live, or was never closed.
        TraceFormatError: It cannot be read.
    """
    return Manifest.from_json(_read(directory / MANIFEST, MAX_MANIFEST))


def _signed_manifest(directory: Path, public_key: PublicKey, manifest_sha256: str | None) -> Manifest:
    text = _read(directory / MANIFEST, MAX_MANIFEST)
    signature = _read(directory / SIGNATURE, 1024)
    try:
        public_key.verify(signature, text)
    except SignatureInvalid as error:
        raise SignatureInvalid(f"{error}{_other_signer(text, public_key)}") from error
    manifest = Manifest.from_json(text)
    if manifest_sha256 is not None and hashlib.sha256(text).hexdigest() != manifest_sha256:
        raise TraceFormatError("the manifest is signed, but it is not the one that the catalogue knows")
    return manifest


def _other_signer(text: bytes, public_key: PublicKey) -> str:
    try:
        signer = Manifest.from_json(text).signer
    except RecorderError:
        return ""
    return f"; it says that key {signer[:16]} did" if signer != public_key.key_id else ""


def _compare(reader: TraceReader, manifest: Manifest) -> Problem | None:
    header = reader.header
    if reader.records_read < manifest.records:
        missing = reader.records_read + 1
        return Problem(
            "truncated", missing, f"record {missing} is missing: the manifest counts {manifest.records}"
        )
    if reader.records_read > manifest.records:
        extra = manifest.records + 1
        return Problem("order", extra, f"record {extra} was added: the manifest counts {manifest.records}")
    told = (
        ("session", header.session_id, manifest.session_id),
        ("hospital", header.hospital_id, manifest.hospital_id),
        ("node", header.node, manifest.node),
        ("suite", header.suite, manifest.suite),
        ("opening", header.started_at, manifest.opened_at),
        ("header digest", reader.seed.hex(), manifest.header_digest),
        ("chain", reader.link.hex(), manifest.last_chain),
        ("size", reader.bytes_read, manifest.size),
    )
    for name, stored, signed in told:
        if stored != signed:
            return Problem("manifest", None, f"the trace's {name} is not the one that was signed")
    return None


def _missing_segment(directory: Path, reader: TraceReader, manifest: Manifest) -> Problem | None:
    read = len(reader.segments.read_whole) if reader.segments is not None else len(manifest.segments)
    for signed in manifest.segments[read:]:
        if not (directory / signed["name"]).exists():
            return Problem("segment", reader.records_read + 1, f"segment {signed['name']} is missing")
    return None


def _check_segments(reader: TraceReader, manifest: Manifest) -> Problem | None:
    """Whether the files are those that were signed: together they may be the trace, cut at other places."""
    read = reader.segments.read_whole if reader.segments is not None else ()
    for stored, signed in zip(read, manifest.segments, strict=False):
        if stored != signed:
            return Problem("segment", None, f"{signed['name']} is not the file that was signed")
    return None


def _check_files(directory: Path, manifest: Manifest) -> Problem | None:
    for item in manifest.files:
        if not _as_signed(directory, item):
            return Problem("file", None, f"{item['name']} beside the trace is not the file that was signed")
    return None


def _check_wraps(
    directory: Path, header: TraceHeader, key: PublicKey, consoles: Sequence[PublicKey]
) -> Problem | None:
    """Whether each wrap that is there was made for this trace; that all were destroyed is no fault, but an erasure."""
    named = set((header.sealing or {}).get("readers", []))
    gone = set(named)
    retired: list[bool] = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            found = check_wrap(_read(path, MAX_WRAP), header, key, consoles)
        except (SignatureInvalid, TraceFormatError, TraceNotFound) as error:
            return Problem("wrap", None, f"{path.name}: {error}")
        if path.name != f"{found.reader}{SUFFIX}":
            return Problem("wrap", None, f"{path.name} is the wrap of another reader")
        gone.discard(found.reader)
        retired.append(found.retired)
    if retired and gone:
        return Problem("wrap", None, f"the wrap of reader {min(gone)} is gone, and others are not")
    if retired and all(retired):
        return Problem("wrap", None, "no reader's wrap is left, and the trace was not erased")
    return None


def _as_signed(directory: Path, item: StoredFile) -> bool:
    if Path(item["name"]).name != item["name"]:
        return False
    try:
        with regular(directory / item["name"]) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == item["sha256"]
    except OSError:
        return False


def _open(path: Path) -> io.FileIO:
    try:
        return regular(path)
    except OSError as error:
        raise TraceNotFound(f"file {path} cannot be read: {error.strerror}") from error


def _read(path: Path, at_most: int) -> bytes:
    with _open(path) as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:
        raise TraceFormatError(f"{path.name} is larger than any such file can be")
    return data
