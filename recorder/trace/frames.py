"""Frames: what passed, one typed piece each (FORMAT.md, section 4)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from recorder.errors import TraceFormatError

MAX_PAYLOAD = 1 << 20
"""Bytes a frame's payload may have."""
SESSION = "session"
FORWARDED = "direct-tcpip"
"""Kinds of channels in OPEN frames, by their names in RFC 4254: one for a process, and a forwarded port."""

FRAME_HEAD = struct.Struct(">BIQI")
"""Type, channel, nanoseconds since the trace was opened, length of the payload."""


class FrameType(IntEnum):
    """What a frame tells of."""

    OPEN = 1
    OUTPUT = 2
    ERROR_OUTPUT = 3
    INPUT = 4
    RESIZE = 5
    SIGNAL = 6
    REQUEST = 7
    REFUSED = 8
    FILE = 9
    WARNING = 10
    GAP = 11
    EXIT = 12
    END = 13
    MARKER = 14
    DIGEST = 15
    EOF = 16
    BREAK = 17


BORDERS = frozenset({FrameType.GAP, FrameType.END})
"""What is not sealed where it ends a trace: a recovery, which has no key, reads and writes it."""

_TYPES = {int(member): member for member in FrameType}


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of a session.

    Attributes:
        type: What the payload tells.
        channel: Number of the SSH channel it belongs to; 0 for the whole session.
        at_ns: Monotonic nanoseconds since the trace was opened.
        payload: Bytes as passed for the raw types, canonical JSON for the others. Input on a
            terminal is ``{"length": n}``: the text is never kept.
    """

    type: FrameType
    channel: int
    at_ns: int
    payload: bytes


def canonical(obj: object) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        TraceFormatError: The value has no JSON form.
    """
    try:
        return json.dumps(
            obj, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (
        TypeError,
        ValueError,
        RecursionError,
    ) as error:  # lone surrogates too: UnicodeEncodeError is a ValueError
        raise TraceFormatError(f"this value has no canonical JSON form: {error}") from error


def facts(frame: Frame) -> dict[str, Any]:
    """The JSON object a frame carries; for a raw type, only how many bytes it has.

    Raises:
        TraceFormatError: The payload is not a JSON object.
    """
    if frame.type in {FrameType.OUTPUT, FrameType.ERROR_OUTPUT}:
        return {"length": len(frame.payload)}
    return parse_object(frame.payload, "frame")


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``data``.

    Args:
        data: UTF-8 JSON.
        what: What is being read, for the message.

    Raises:
        TraceFormatError: It is something else.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TraceFormatError(f"the {what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise TraceFormatError(f"the {what} is not a JSON object")
    return value


def encode(frames: Iterable[Frame]) -> bytes:
    """The frames one after another, as they stand in a record before compression.

    Raises:
        TraceFormatError: A field is out of its range.
    """
    parts: list[bytes] = []
    for frame in frames:
        if len(frame.payload) > MAX_PAYLOAD:
            raise TraceFormatError(f"a frame's payload has at most {MAX_PAYLOAD} bytes")
        try:
            parts.append(FRAME_HEAD.pack(frame.type, frame.channel, frame.at_ns, len(frame.payload)))
        except struct.error as error:
            raise TraceFormatError(f"a field of the frame is out of range: {error}") from error
        parts.append(frame.payload)
    return b"".join(parts)


def decode(data: bytes) -> Iterator[Frame]:
    """The frames of a record, in the order they were recorded.

    Raises:
        TraceFormatError: A type is unknown, or the bytes end inside a frame.
    """
    offset = 0
    total = len(data)
    while offset < total:
        body = offset + FRAME_HEAD.size
        if body > total:
            raise TraceFormatError("the record ends inside the head of a frame")
        number, channel, at_ns, length = FRAME_HEAD.unpack_from(data, offset)
        kind = _TYPES.get(number)
        if kind is None:
            raise TraceFormatError(f"frame type {number} is unknown to this version")
        offset = body + length
        if length > MAX_PAYLOAD or offset > total:
            raise TraceFormatError("the record ends inside the payload of a frame")
        yield Frame(kind, channel, at_ns, bytes(data[body:offset]))
