"""Passages: what the index holds of a trace, piece by piece, each with the moments of its lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from recorder.errors import TraceFormatError
from recorder.replay.neutral import neutralise

LINES: Final = 25
"""Lines of one passage, at most: what is asked for together is looked for within one."""
LINE: Final = 500
"""Characters of a line that are kept."""
SPAN_MS: Final = 120_000
"""How far apart the first and the last line of a passage may be."""
MAX_LINE_BYTES: Final = 256 * 1024
"""Bytes of one passage as the worker writes it, at most."""


class Kind(StrEnum):
    """What a passage tells of."""

    SESSION = "session"
    SCREEN = "screen"
    COMMAND = "command"
    FILE = "file"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, and when it was first there: milliseconds since the session began."""

    at_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A few lines of one kind on one channel, in the order in which they appeared."""

    kind: Kind
    channel: int
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The lines, each on one of its own."""
        return "\n".join(line.text for line in self.lines)

    def moment(self, offset: int) -> int:
        """Return the moment of the line in which the character at *offset* of `text` stands."""
        for line in self.lines:
            if offset <= len(line.text):
                return line.at_ms
            offset -= len(line.text) + 1
        return self.lines[-1].at_ms

    def to_json(self) -> str:
        """One line of JSON."""
        lines = [[line.at_ms, line.text] for line in self.lines]
        return json.dumps({"kind": self.kind, "channel": self.channel, "lines": lines}, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Passage:
        """Read what `to_json` wrote, by a process that is not believed: everything is bounded and made harmless.

        Raises:
            TraceFormatError: It is something else.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            lines = tuple(Line(_number(at), _harmless(line)) for at, line in found["lines"][:LINES])
            if not lines:
                raise TraceFormatError("a passage has no line")
            return cls(Kind(found["kind"]), _number(found["channel"]), lines)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise TraceFormatError(f"this is no passage: {error}") from error


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise TraceFormatError("a number of the passage is out of range")
    return value


def _harmless(value: object) -> str:
    if not isinstance(value, str):
        raise TraceFormatError("a line of the passage is no text")
    return neutralise(value[:LINE])[: 2 * LINE]


class Passages:
    """Gathers lines into passages, kind by kind and channel by channel."""

    def __init__(self) -> None:
        self._open: dict[tuple[Kind, int], list[Line]] = {}

    def add(self, kind: Kind, channel: int, at_ms: int, text: str) -> Iterator[Passage]:
        """Take a line, and give the passage that it completes, if it does."""
        text = neutralise(text.strip()[:LINE])
        if not text:
            return
        lines = self._open.setdefault((kind, channel), [])
        if lines and (at_ms - lines[0].at_ms > SPAN_MS or len(lines) == LINES):
            yield Passage(kind, channel, tuple(lines))
            lines.clear()
        if not (lines and lines[-1].text == text):
            lines.append(Line(at_ms, text))

    def rest(self) -> Iterator[Passage]:
        """Give what is left, at the end."""
        for (kind, channel), lines in self._open.items():
            if lines:
                yield Passage(kind, channel, tuple(lines))
        self._open.clear()
