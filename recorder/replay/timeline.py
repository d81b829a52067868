"""One line about each frame that is no stream: what happened, without what the terminal showed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from recorder.errors import TraceFormatError
from recorder.replay.neutral import neutralise
from recorder.trace import instants
from recorder.trace.frames import FORWARDED, Frame, FrameType, facts
from recorder.trace.header import TraceHeader

_TEXT_LIMIT = 500


class Teller(Protocol):
    """Words for what a trace holds. Whoever shows them neutralises them first: they quote strangers."""

    def head(self, header: TraceHeader) -> Sequence[str]:
        """The lines about the session as a whole."""

    def event(self, frame: Frame) -> str:
        """One line about a frame that is no stream."""


class Raw:
    """Tells a trace in the format's own words: for searching, and for frames that nobody has a sentence for."""

    def head(self, header: TraceHeader) -> Sequence[str]:
        """Who, on what, since when."""
        return (
            f"session {header.session_id} of {header.person['login']} ({header.person['full_name']})",
            f"device {header.device['name']} account {header.account} from {header.source}",
            f"opened {instants.text(header.started_at)}",
        )

    def event(self, frame: Frame) -> str:
        """The frame's type, then what it says."""
        return summary(frame)


def opens_port(frame: Frame) -> bool:
    """Whether the frame opens a forwarded port: what passes there is some protocol's, and was on nobody's screen."""
    return frame.type is FrameType.OPEN and _told(frame).get("kind") == FORWARDED


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
