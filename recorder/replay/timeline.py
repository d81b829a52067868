"""What happened in a session, without what the terminal showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recorder.errors import TraceFormatError
from recorder.replay.neutral import neutralise
from recorder.replay.reader import TraceReader
from recorder.trace.frames import Frame, FrameType, facts

_STREAMS = frozenset({FrameType.OUTPUT, FrameType.ERROR_OUTPUT, FrameType.INPUT})
_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event.

    Attributes:
        type: What it tells.
        channel: Which channel, 0 for the whole session.
        at_ns: Monotonic nanoseconds since the opening.
        at: The same as a wall time, aware UTC: the opening plus `at_ns`.
        facts: The frame's content; texts in it are hostile.
        text: One harmless line that sums it up.
    """

    type: FrameType
    channel: int
    at_ns: int
    at: datetime
    facts: Mapping[str, Any]
    text: str


def events(reader: TraceReader) -> Iterator[TimelineEvent]:
    """The events of a trace, in order; output and input are left out.

    Raises:
        ChainBroken: A record is not the one that was written; all before it came out.
        TraceFormatError: A frame cannot be read.
    """
    for frame in reader.frames():
        if frame.type in _STREAMS:
            continue
        at = reader.header.started_at + timedelta(microseconds=frame.at_ns // 1000)
        yield TimelineEvent(frame.type, frame.channel, frame.at_ns, at, facts(frame), summary(frame))


def summary(frame: Frame) -> str:
    """One harmless line about a frame that is no stream: its type, then what it says."""
    told = _told(frame)
    words = [
        f"{name}={_value(value)}"
        for name, value in sorted(told.items())
        if name not in {"pty", "environment"}
    ]
    pty = told.get("pty")
    if isinstance(pty, dict):
        words.append(f"terminal={_value(pty.get('term'))} {pty.get('columns')!s}x{pty.get('rows')!s}")
    line = " ".join([frame.type.name.lower().replace("_", "-"), *words])
    return neutralise(line if len(line) <= _TEXT_LIMIT else f"{line[:_TEXT_LIMIT]}…")


def _told(frame: Frame) -> dict[str, Any]:
    try:
        return facts(frame)
    except TraceFormatError:
        return {"unreadable": len(frame.payload)}


def _value(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return str(value)
