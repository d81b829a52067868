"""One line about each frame that is no stream: what happened, without what the terminal showed."""

from __future__ import annotations

from typing import Any

from recorder.errors import TraceFormatError
from recorder.replay.neutral import neutralise
from recorder.trace.frames import Frame, facts

_TEXT_LIMIT = 500


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
