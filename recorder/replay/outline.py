"""What a player needs of a trace besides its output: marks, files, pauses, length. Pure but for the trace it reads."""

from __future__ import annotations

import base64
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from recorder.errors import TraceFormatError
from recorder.replay.asciicast import Event
from recorder.replay.neutral import neutralise
from recorder.replay.timeline import Teller
from recorder.trace.frames import Frame, FrameType, facts

PAUSE_US = 2_000_000
"""What a pause is shortened to, where pauses are."""
MOST_MARKS = 5_000
"""Marks kept; a transfer of a million files must not fill a browser. How many there were is kept."""


class MarkKind(Enum):
    """What a mark tells of."""

    COMMAND = "command"
    FILE = "file"
    REFUSED = "refused"
    WARNING = "warning"
    UNSEEN = "unseen"
    GAP = "gap"
    OTHER = "other"


_KINDS = {
    FrameType.REQUEST: MarkKind.COMMAND,
    FrameType.FILE: MarkKind.FILE,
    FrameType.REFUSED: MarkKind.REFUSED,
    FrameType.WARNING: MarkKind.WARNING,
    FrameType.GAP: MarkKind.GAP,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that a reader may want to go to.

    Attributes:
        at_us: Microseconds since the trace was opened.
        kind: What it tells of.
        frame: What it was made from.
    """

    at_us: int
    kind: MarkKind
    frame: Frame

    def told(self, teller: Teller) -> str:
        """The mark in that teller's words, harmless."""
        return neutralise(teller.event(self.frame))


@dataclass(frozen=True, slots=True)
class Transfer:
    """A file that passed, or was asked for.

    Attributes:
        at_us: When that was told, in microseconds since the trace was opened.
        facts: What the frame says: ``op``, ``path``, ``phase``, ``size``, ``sha256``, ``result``; texts are hostile.
    """

    at_us: int
    facts: dict[str, Any]


@dataclass(slots=True)
class Outline:
    """What passed, without what the screen showed. Built event by event with `add`.

    Attributes:
        columns: Of the terminal at the beginning.
        rows: Of the terminal at the beginning.
        duration_us: When the last event was.
        size: Bytes of output, as text.
        marks: The first `MOST_MARKS`.
        transfers: Files, as many at most.
        untold: Marks beyond those.
    """

    columns: int
    rows: int
    duration_us: int = 0
    size: int = 0
    marks: list[Mark] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    untold: int = 0
    _ends: list[int] = field(default_factory=list)
    _cuts: list[int] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take one event, in order."""
        pause = event.at_us - self.duration_us - PAUSE_US
        if pause > 0:
            self._ends.append(event.at_us)
            self._cuts.append(pause + (self._cuts[-1] if self._cuts else 0))
        self.duration_us = event.at_us
        if event.code == "o":
            self.size += len(event.data)
        elif event.code == "m" and event.frame is not None:
            self._mark(event.at_us, event.frame)

    def short_us(self, at_us: int) -> int:
        """When that moment is where each pause is cut to `PAUSE_US`: within a pause, as far as it is shown."""
        found = bisect_right(self._ends, at_us)
        cut = self._cuts[found - 1] if found else 0
        if found < len(self._ends):
            length = self._cuts[found] - cut + PAUSE_US
            begun = self._ends[found] - length
            if at_us > begun + PAUSE_US:
                return begun + PAUSE_US - cut
        return at_us - cut

    @property
    def short_duration_us(self) -> int:
        """How long it is with pauses cut."""
        return self.short_us(self.duration_us)

    def cuts(self) -> list[tuple[float, float]]:
        """Where each pause ends, and how much is cut until there, in seconds."""
        return [(end / 1_000_000, cut / 1_000_000) for end, cut in zip(self._ends, self._cuts, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """All of it but the marks' words, as JSON has it."""
        frames = [
            [
                mark.at_us,
                mark.frame.type,
                mark.frame.channel,
                mark.frame.at_ns,
                base64.b64encode(mark.frame.payload).decode(),
            ]
            for mark in self.marks
        ]
        return {
            "columns": self.columns,
            "rows": self.rows,
            "duration_us": self.duration_us,
            "size": self.size,
            "untold": self.untold,
            "ends": self._ends,
            "cuts": self._cuts,
            "marks": frames,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """The outline that `to_json` told. Raises KeyError, TypeError or ValueError where it is none."""
        made = cls(int(told["columns"]), int(told["rows"]))
        for at_us, kind, channel, at_ns, payload in told["marks"]:
            frame = Frame(FrameType(kind), int(channel), int(at_ns), base64.b64decode(payload))
            made._mark(int(at_us), frame)
        made.duration_us, made.size = int(told["duration_us"]), int(told["size"])
        made.untold = int(told["untold"])
        made._ends, made._cuts = [int(one) for one in told["ends"]], [int(one) for one in told["cuts"]]
        return made

    def _mark(self, at_us: int, frame: Frame) -> None:
        if len(self.marks) >= MOST_MARKS:
            self.untold += 1
            return
        told = _told(frame)
        self.marks.append(Mark(at_us, _kind(frame, told), frame))
        if frame.type is FrameType.FILE:
            self.transfers.append(Transfer(at_us, told))


def _kind(frame: Frame, told: dict[str, Any]) -> MarkKind:
    if frame.type is FrameType.MARKER and str(told.get("kind", "")).startswith("unseen"):
        return MarkKind.UNSEEN
    return _KINDS.get(frame.type, MarkKind.OTHER)


def _told(frame: Frame) -> dict[str, Any]:
    try:
        return facts(frame)
    except TraceFormatError:
        return {}
