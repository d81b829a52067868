"""The file head and the records as they lie on the disk (FORMAT.md, sections 2, 3 and 5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from recorder.errors import ChainBroken, TraceFormatError
from recorder.trace import chain
from recorder.trace.frames import FRAME_HEAD, MAX_PAYLOAD
from recorder.trace.header import TraceHeader

MAGIC = b"ECLUSE\x00\x01"
"""Name of the format and its version, 1, as the last byte."""

MAX_HEADER = 1 << 18
"""Bytes the header's JSON may have."""

MAX_PLAIN = MAX_PAYLOAD + FRAME_HEAD.size + (1 << 18)
"""Bytes of frames a record may hold: one frame of the largest size, or many small ones."""

MAX_BODY = MAX_PLAIN + 1024
"""Bytes a record's stored body may have; a suite may add its nonce and tag."""

RECORD_HEAD = struct.Struct(">IQQB")
"""Length of the body, sequence from 1, wall time in nanoseconds since 1970 UTC, flags."""

ZSTD = 0x01
"""Flag: the frames were compressed as one zstd frame before they were sealed."""

OPEN = 0x02
"""Flag: the body is not sealed, whatever the suite: a gap or the end, which who has no key must be able to write."""

COMPRESS_FROM = 192
"""Bytes from which compressing is tried: below, a zstd frame's own head eats the gain."""

_HEADER_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as stored.

    Attributes:
        sequence: Its number, from 1.
        wall_ns: Wall time at which it was made, nanoseconds since 1970 UTC.
        flags: How the body was made (`ZSTD`, `OPEN`).
        head: The bytes of the record's head, which a suite authenticates beside the body.
        body: The bytes as stored, sealed under the header's suite.
        link: The chain's digest after this record.
    """

    sequence: int
    wall_ns: int
    flags: int
    head: bytes
    body: bytes
    link: bytes

    @property
    def size(self) -> int:
        """Bytes the whole record takes in the file."""
        return len(self.head) + len(self.body) + len(self.link)


def file_head(header: TraceHeader) -> tuple[bytes, bytes]:
    """The first bytes of a trace, digest included, and that digest: the chain's first link.

    Raises:
        TraceFormatError: The header is too large or has no JSON form.
    """
    text = header.to_json()
    if len(text) > MAX_HEADER:
        raise TraceFormatError(f"the header has {len(text)} bytes; at most {MAX_HEADER} fit")
    head = MAGIC + _HEADER_LENGTH.pack(len(text)) + text
    link = chain.seed(head)
    return head + link, link


def compress(compressor: zstandard.ZstdCompressor, plain: bytes) -> tuple[int, bytes]:
    """Flags and bytes of a record before sealing: compressed only where that makes it smaller."""
    if len(plain) >= COMPRESS_FROM:
        packed = compressor.compress(plain)
        if len(packed) < len(plain):
            return ZSTD, packed
    return 0, plain


def expand(decompressor: zstandard.ZstdDecompressor, flags: int, content: bytes) -> bytes:
    """The frames' bytes of an unsealed record.

    Raises:
        TraceFormatError: Unknown flags, a broken zstd frame, or more than `MAX_PLAIN` bytes.
    """
    if flags & ~(ZSTD | OPEN):
        raise TraceFormatError(f"record flags {flags:#04x} are unknown to this version")
    if not flags & ZSTD:
        return content
    try:
        declared = zstandard.frame_content_size(content)
        if not 0 <= declared <= MAX_PLAIN:
            raise TraceFormatError(
                f"a record declares {declared} bytes of frames; at most {MAX_PLAIN} may be"
            )
        return decompressor.decompress(content, max_output_size=MAX_PLAIN)
    except zstandard.ZstdError as error:
        raise TraceFormatError(f"a record does not decompress: {error}") from error


def record_head(length: int, sequence: int, wall_ns: int, flags: int) -> bytes:
    """The head of a record whose stored body has ``length`` bytes.

    Raises:
        TraceFormatError: A number is out of its range.
    """
    if not 0 < length <= MAX_BODY:
        raise TraceFormatError(f"a record's body has 1 to {MAX_BODY} bytes, not {length}")
    try:
        return RECORD_HEAD.pack(length, sequence, wall_ns, flags)
    except struct.error as error:
        raise TraceFormatError(f"a field of the record is out of range: {error}") from error


def head_size(data: bytes | bytearray) -> int | None:
    """How many bytes the file head has that ``data`` begins with; None while that cannot be told.

    Raises:
        ChainBroken: It claims to be longer than any is.
    """
    start = len(MAGIC) + _HEADER_LENGTH.size
    if len(data) < start:
        return None
    (length,) = _HEADER_LENGTH.unpack_from(data, len(MAGIC))
    if length > MAX_HEADER:
        raise ChainBroken(0, "header", f"the header claims {length} bytes; at most {MAX_HEADER} may be")
    return int(start + length + chain.DIGEST_BYTES)


def record_size(data: bytes | bytearray, at: int, expected: int) -> int | None:
    """How many bytes the record has that begins at ``at`` in ``data``; None while its head is not whole.

    Raises:
        ChainBroken: It claims a length that none can have.
    """
    if len(data) - at < RECORD_HEAD.size:
        return None
    length: int = RECORD_HEAD.unpack_from(data, at)[0]
    if not 0 < length <= MAX_BODY:
        raise ChainBroken(expected, "length", f"record {expected} claims {length} bytes, which none can have")
    return RECORD_HEAD.size + length + chain.DIGEST_BYTES


def read_head(file: BinaryIO) -> tuple[TraceHeader, bytes, int]:
    """The header, the chain's first link and the number of bytes read.

    Raises:
        TraceFormatError: This is no trace, or one of a version we cannot read.
        ChainBroken: The header is not the one that was written (record 0).
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if len(magic) == len(MAGIC) and magic[:7] == MAGIC[:7]:
            raise TraceFormatError(
                f"trace format version {magic[7]} is unknown; this program reads version 1"
            )
        raise ChainBroken(0, "header", "this is no Écluse trace: its first bytes are something else")
    prefix = file.read(_HEADER_LENGTH.size)
    if len(prefix) < _HEADER_LENGTH.size:
        raise ChainBroken(0, "truncated", "the trace ends inside its header")
    (length,) = _HEADER_LENGTH.unpack(prefix)
    if length > MAX_HEADER:
        raise ChainBroken(0, "header", f"the header claims {length} bytes; at most {MAX_HEADER} may be")
    text = file.read(length)
    stored = file.read(chain.DIGEST_BYTES)
    if len(text) < length or len(stored) < chain.DIGEST_BYTES:
        raise ChainBroken(0, "truncated", "the trace ends inside its header")
    head = magic + prefix + text
    link = chain.seed(head)
    if not chain.same(link, stored):
        raise ChainBroken(0, "header", "the header is not the one that was written: its digest differs")
    return TraceHeader.from_json(text), link, len(head) + len(link)


def read_record(file: BinaryIO, expected: int, previous: bytes) -> Record | None:
    """The next record, checked against the chain; None at the end of the file.

    Args:
        file: Stands at the start of a record.
        expected: The number the record must have.
        previous: The chain's digest before it.

    Raises:
        ChainBroken: It is not the record that was written there.
    """
    head = file.read(RECORD_HEAD.size)
    if not head:
        return None
    if len(head) < RECORD_HEAD.size:
        raise ChainBroken(expected, "truncated", f"the trace ends inside the head of record {expected}")
    length, sequence, wall_ns, flags = RECORD_HEAD.unpack(head)
    if sequence != expected:
        raise ChainBroken(expected, "order", f"record {expected} should stand here, but it says {sequence}")
    if not 0 < length <= MAX_BODY:
        raise ChainBroken(expected, "length", f"record {expected} claims {length} bytes, which none can have")
    body = file.read(length)
    stored = file.read(chain.DIGEST_BYTES)
    if len(body) < length or len(stored) < chain.DIGEST_BYTES:
        raise ChainBroken(expected, "truncated", f"the trace ends inside record {expected}")
    link = chain.link(previous, head, body)
    if not chain.same(link, stored):
        raise ChainBroken(
            expected, "digest", f"record {expected} is not the one that was written: its digest differs"
        )
    return Record(sequence, wall_ns, flags, head, body, link)
