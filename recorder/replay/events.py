"""A session as one JSON object a line, in the format's own words: for programs."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from recorder.errors import TraceFormatError
from recorder.replay.reader import TraceReader
from recorder.trace.frames import Frame, FrameType, canonical, facts, parse_object

_STREAMS = frozenset({FrameType.OUTPUT, FrameType.ERROR_OUTPUT, FrameType.INPUT})


def listing(reader: TraceReader) -> Iterator[str]:
    """The header, then each frame, as canonical JSON without line ends.

    A frame has ``type``, ``channel`` and ``at_ns``, and what it says under ``facts``; bytes as they
    passed are base64 under ``data``.

    Args:
        reader: Stands at the trace's start.

    Raises:
        ChainBroken: A record is not the one that was written; all before it came out.
        TraceFormatError: A frame cannot be read.
    """
    yield canonical({"header": parse_object(reader.header.to_json(), "trace header")}).decode()
    terminals: set[int] = set()
    for frame in reader.frames():
        if frame.type is FrameType.REQUEST and isinstance(facts(frame).get("pty"), dict):
            terminals.add(frame.channel)
        bare = frame.type in _STREAMS and not (frame.type is FrameType.INPUT and frame.channel in terminals)
        told = {"data": base64.b64encode(frame.payload).decode()} if bare else {"facts": _facts(frame)}
        kind = frame.type.name.lower()
        yield canonical({"type": kind, "channel": frame.channel, "at_ns": frame.at_ns, **told}).decode()


def _facts(frame: Frame) -> object:
    try:
        return facts(frame)
    except TraceFormatError:
        return {"unreadable": len(frame.payload)}
