"""Closing what a dead process, or a broken recording, left in the spool."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import zstandard

from recorder.capture.folder import lock, sign, sync_directory
from recorder.capture.segments import Borders, Segments
from recorder.capture.writer import TraceWriter
from recorder.errors import ChainBroken, SignatureInvalid, TraceFormatError
from recorder.ports import Now
from recorder.seal.encryption import CLEAR, suite
from recorder.seal.signing import SigningKey
from recorder.trace import frames, instants, records
from recorder.trace.frames import Frame, FrameType, canonical
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest, StoredFile
from recorder.trace.place import MANIFEST, SIGNATURE

INTERRUPTED = "interrupted"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Recovered:
    """A closed trace that still lies in the spool.

    Attributes:
        directory: Its folder.
        descriptor: The trace file, still locked; the caller closes it after shipping.
        header: Whose session it is.
        manifest: What was signed.
        manifest_sha256: Digest of the manifest as stored, in hexadecimal.
    """

    directory: Path
    descriptor: int
    header: TraceHeader
    manifest: Manifest
    manifest_sha256: str


@dataclass(slots=True)
class _Walk:
    """How far a trace is whole."""

    header: TraceHeader
    seed: bytes
    offset: int
    link: bytes
    borders: Borders
    sequence: int = 0
    last: records.Record | None = None


def recover(directory: Path, key: SigningKey, now: Now, reason: str = INTERRUPTED) -> Recovered | None:
    """Bring a trace to its end: trim a torn last record, write a GAP and END, sign. Blocks.

    The GAP says what is known to be missing: what had come and was not written yet, which had not passed.

    Args:
        directory: A folder of the spool.
        key: Signs the manifest.
        now: Wall clock, for the closing instant.
        reason: What the END frame says when the trace has none.

    Returns:
        The closed trace, or None when a living process holds it.

    Raises:
        TraceFormatError: It has no readable header; nothing was changed.
        OSError: The disk refuses.
    """
    descriptor = lock(directory)
    if descriptor is None:
        return None
    try:
        signed = _already_signed(directory, key)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            if (
                signed is not None
            ):  # it waits for the store alone: each sweep reads its header, and not all of it
                header, _, _ = records.read_head(file)
            else:
                walk = _walk(file, Segments(directory).end)
                header = walk.header
                signed = _close(directory, descriptor, walk, key, now, reason)
        manifest, text = signed
    except BaseException:
        os.close(descriptor)
        raise
    return Recovered(directory, descriptor, header, manifest, hashlib.sha256(text).hexdigest())


def _walk(file: BinaryIO, cut: int) -> _Walk:
    header, link, offset = records.read_head(file)
    walk = _Walk(header, link, offset, link, Borders(cut))
    while True:
        try:
            record = records.read_record(file, walk.sequence + 1, walk.link)
        except ChainBroken:
            return walk
        if record is None:
            return walk
        walk.borders.record(walk.offset, record.size)
        walk.offset += record.size
        walk.link = record.link
        walk.sequence = record.sequence
        walk.last = record


def _already_signed(directory: Path, key: SigningKey) -> tuple[Manifest, bytes] | None:
    """The manifest of a trace that died on its way to the store; None where it must be made again."""
    try:
        text = (directory / MANIFEST).read_bytes()
        key.public.verify((directory / SIGNATURE).read_bytes(), text)
        return Manifest.from_json(text), text
    except (FileNotFoundError, SignatureInvalid, TraceFormatError):
        return None


def _close(
    directory: Path, descriptor: int, walk: _Walk, key: SigningKey, now: Now, reason: str
) -> tuple[Manifest, bytes]:
    _trim(directory, descriptor, walk.offset)
    writer = TraceWriter(
        descriptor,
        offset=walk.offset,
        link=walk.link,
        suite=suite(walk.header.suite),
        sequence=walk.sequence,
        now=now,
        input_limit=0,
    )
    ended, at_ns = _end_of(walk)
    tails = _tails(directory)
    if ended is None:
        lost = {"kind": INTERRUPTED, "torn_bytes": sum(item["bytes"] for item in tails)}
        writer.write(
            [
                Frame(FrameType.GAP, 0, at_ns, canonical(lost)),
                Frame(FrameType.END, 0, at_ns, canonical({"reason": reason})),
            ]
        )
    writer.sync()
    segments = Segments(directory, walk.offset)
    segments.cut_at([*walk.borders.found, writer.offset])
    manifest = describe(
        walk.header,
        writer,
        segments=segments.cut,
        seed=walk.seed,
        closed_at=now(),
        reason=ended or reason,
        interrupted=ended is None,
        files=tails,
        signer=key.public.key_id,
    )
    return manifest, sign(directory, manifest, key)


def describe(
    header: TraceHeader,
    writer: TraceWriter,
    *,
    segments: tuple[StoredFile, ...],
    seed: bytes,
    closed_at: datetime,
    reason: str,
    signer: str,
    interrupted: bool = False,
    files: tuple[StoredFile, ...] = (),
) -> Manifest:
    """The manifest of a trace that its writer has brought to the end."""
    return Manifest(
        session_id=header.session_id,
        hospital_id=header.hospital_id,
        node=header.node,
        suite=header.suite,
        header_digest=seed.hex(),
        records=writer.sequence,
        size=writer.offset,
        last_chain=writer.link.hex(),
        opened_at=header.started_at,
        closed_at=closed_at,
        end_reason=reason,
        interrupted=interrupted,
        trimmed_bytes=sum(item["bytes"] for item in files),
        files=files,
        signer=signer,
        segments=segments,
    )


def _trim(directory: Path, descriptor: int, offset: int) -> None:
    """Cut a torn end off, and keep it beside: even a fragment may be evidence."""
    if os.fstat(descriptor).st_size <= offset:
        return
    number = len(list(directory.glob("tail-*.bin"))) + 1
    temporary = directory / ".tail.part"
    with os.fdopen(descriptor, "rb", closefd=False) as torn, temporary.open("wb") as kept:
        torn.seek(offset)
        while chunk := torn.read(_CHUNK):
            kept.write(chunk)
        kept.flush()
        os.fsync(kept.fileno())
    temporary.rename(directory / f"tail-{number}.bin")
    sync_directory(directory)
    os.ftruncate(descriptor, offset)


def _tails(directory: Path) -> tuple[StoredFile, ...]:
    found: list[StoredFile] = []
    for path in sorted(directory.glob("tail-*.bin")):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append({"name": path.name, "bytes": path.stat().st_size, "sha256": digest})
    return tuple(found)


def _end_of(walk: _Walk) -> tuple[str | None, int]:
    """The reason in the END frame, if the trace has one, and the time of the last frame that can be read."""
    if walk.last is None:
        return None, 0
    if walk.header.suite != CLEAR and not walk.last.flags & records.OPEN:
        # the wall clock says nearly as much as the frames that cannot be read here
        return None, max(0, walk.last.wall_ns - instants.to_ns(walk.header.started_at))
    try:
        plain = records.expand(zstandard.ZstdDecompressor(), walk.last.flags, walk.last.body)
        final = list(frames.decode(plain))[-1]
        if final.type is FrameType.END:
            return str(frames.facts(final).get("reason", "")) or None, final.at_ns
    except (TraceFormatError, IndexError):
        return None, 0
    return None, final.at_ns
