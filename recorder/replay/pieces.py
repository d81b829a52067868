"""A trace cut into pieces that a player loads one by one, each with what the screen showed before it.

The form is that of asciinema-player 3.17 (``format: "segmented"``). Pieces are cut by size alone, so that a player never
feeds more than one of them to show a moment, however long the recording; the pictures that they begin with come from
`recorder.replay.screen` in a process of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import zstandard

from recorder.errors import TraceFormatError
from recorder.replay.asciicast import Event, perform
from recorder.replay.outline import Mark, Outline
from recorder.replay.picture import Picture
from recorder.replay.reader import TraceReader
from recorder.replay.timeline import Teller

SEGMENT: Final = 256 << 10
"""About how many bytes a piece has; it ends at the next moment."""
CAUGHT_UP: Final = 2 << 20
"""About how many bytes of output a player is given to draw a picture itself, where none is drawn yet: more takes longer than drawing."""
MOST: Final = 512 << 20
"""About how many bytes a recording may have to be shown in a browser at all."""
MOST_PACKED: Final = 128 << 20
"""Bytes, packed, that the pieces of one recording may take."""
_TOGETHER: Final = 0.016
"""Output that came within one picture of a screen is one event."""
_EVENT: Final = 24
"""What an event takes besides its text."""
_OPEN: Final = re.compile(r"\x1b(?:[ -/]*|\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\x9c]*\x1b?)\Z")
"""A sequence that has not come to its end: what follows would be shown as text, were it the beginning of a piece."""
_LONGEST_SEQUENCE: Final = 4096

Happening = tuple[float, str, Any]
"""Seconds since the opening; ``o``, ``r`` or ``m``; the output, the size as ``COLUMNSxROWS``, or the mark's words."""


class RecordingTooLong(TraceFormatError):
    """The recording is more than a browser is given; it can be downloaded."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece: when it begins, and what happened in it.

    Attributes:
        start_us: Microseconds since the trace was opened; 0 for the first.
        size: About how many bytes happened.
        resized: Whether the terminal's size changed in it.
        marks: How many marks come before it.
        packed: Gives what happened as zstd of a JSON list of `Happening`, marks in the format's own words. May block.
        held: Bytes of memory that it takes.
    """

    start_us: int
    size: int
    resized: bool
    marks: int
    packed: Callable[[], bytes]
    held: int = 0

    @property
    def text(self) -> bytes:
        """What happened, as JSON."""
        return zstandard.ZstdDecompressor().decompress(self.packed())


@dataclass(slots=True)
class Recording:
    """A whole trace, ready for a player but, where there is no ``picture``, for those of its later pieces.

    Attributes:
        outline: What happened besides output.
        segments: The pieces.
        picture: Gives what a piece begins with, by its number. Blocks.
    """

    outline: Outline
    segments: list[Segment] = field(default_factory=list)
    picture: Callable[[int], Picture] | None = None

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        return sum(one.held for one in self.segments)

    @property
    def end_us(self) -> int:
        """When a player's time ends: after the beginning of the last piece, which a player asks for."""
        return max(self.outline.duration_us, self.segments[-1].start_us + 1)

    def index(self, teller: Teller, *, short: bool) -> dict[str, Any]:
        """The player's index, marks in the words of *teller*; *short* cuts the pauses. Addresses are relative: ``0.json``, ``1.json``."""
        outline, at = self.outline, _clock(self.outline, short=short)
        suffix = "?pauses=short" if short else ""
        return {
            "version": 1,
            "duration": at(self.end_us),
            "term": {"cols": outline.columns, "rows": outline.rows},
            "markers": [[at(mark.at_us), mark.told(teller)] for mark in outline.marks],
            "segments": [
                {"start": at(one.start_us), "url": f"{number}.json{suffix}"}
                for number, one in enumerate(self.segments)
            ],
        }

    def piece(self, number: int, picture: Picture, teller: Teller, *, short: bool) -> bytes:
        """Piece *number* as the player reads it (JSON), which begins with *picture*.

        Raises:
            IndexError: There is none.
        """
        text, marks = self.segments[number].text, self._marks(number)
        if short or marks:
            at, told = _clock(self.outline, short=short), iter(marks)
            happened = [
                [
                    at(round(seconds * 1_000_000)),
                    code,
                    next(told).told(teller) if code == "m" else data,
                ]
                for seconds, code, data in json.loads(text)
            ]
            text = _json(happened)
        snapshot = {"cols": picture.columns, "rows": picture.rows, "init": picture.output}
        return b'{"snapshot":%b,"events":%b}' % (_json(snapshot), text)

    def caught_up(self, known: Picture, since: int, number: int) -> Picture | None:
        """What draws piece *number*'s picture out of that of piece *since*: all output between.

        None where that is more than `CAUGHT_UP`, or the size changed: then it has to be drawn first.
        """
        between = self.segments[since:number]
        if sum(one.size for one in between) > CAUGHT_UP or any(one.resized for one in between):
            return None
        parts = [known.output]
        for one in between:
            parts += [data for _, code, data in json.loads(one.text) if code == "o"]
        return Picture(known.columns, known.rows, "".join(parts))

    def _marks(self, number: int) -> Sequence[Mark]:
        after = self.segments[number + 1 : number + 2]
        return self.outline.marks[self.segments[number].marks : after[0].marks if after else None]

    def first(self) -> Picture:
        """What the screen shows before anything did."""
        return Picture(self.outline.columns, self.outline.rows, "")


def cut(reader: TraceReader) -> Recording:
    """The trace in pieces. Blocks; reads it whole.

    Args:
        reader: Stands at the trace's start.

    Raises:
        RecordingTooLong: It has more output than a browser is given.
        ChainBroken: A record is not the one that was written.
        TraceFormatError: A frame cannot be read.
        TraceSealed: None of the reader's keys opens it.
    """
    shown = perform(reader)
    outline = Outline(shown.head["term"]["cols"], shown.head["term"]["rows"])
    made, here = Recording(outline), _Piece(0, 0)
    size = packed = 0
    for event in shown.events:
        untold, marks = outline.untold, len(outline.marks)
        outline.add(event)
        if event.code == "x" or outline.untold > untold:
            continue
        if here.ends_before(event.at_us):
            made.segments.append(here.packed())
            packed += made.segments[-1].held
            here = _Piece(event.at_us, marks)
        size += here.add(event)
        if size > MOST or packed > MOST_PACKED:
            raise RecordingTooLong("the recording is longer than a browser is given: download it")
    # a player wants the last piece to end when the recording does, and none to be empty
    here.happened.append((max(outline.duration_us, here.start_us + 1) / 1_000_000, "o", ""))
    made.segments.append(here.packed())
    return made


class _Piece:
    def __init__(self, start_us: int, marks: int) -> None:
        self.start_us = self.last_us = start_us
        self.marks = marks
        self.size = 0
        self.happened: list[Happening] = []

    def add(self, event: Event) -> int:
        """Take an event, and return how much larger the piece is."""
        at_us, code, data = event.at_us, event.code, event.data
        self.last_us = at_us
        grown = len(data)
        before = self.happened[-1] if self.happened else None
        if before is not None and code == before[1] == "o" and at_us / 1_000_000 - before[0] < _TOGETHER:
            self.happened[-1] = (before[0], "o", before[2] + data)
        else:
            self.happened.append((at_us / 1_000_000, code, data))
            grown += _EVENT
        self.size += grown
        return grown

    def ends_before(self, at_us: int) -> bool:
        """Tell whether it is large enough, and what happens then can be another piece's beginning."""
        if self.size < SEGMENT or at_us <= self.last_us:
            return False
        return self.size >= 2 * SEGMENT or not self._is_open()

    def packed(self) -> Segment:
        packed = zstandard.ZstdCompressor(level=1).compress(_json(self.happened))
        resized = any(code == "r" for _, code, _ in self.happened)
        return Segment(self.start_us, self.size, resized, self.marks, lambda: packed, len(packed))

    def _is_open(self) -> bool:
        last = next((data for _, code, data in reversed(self.happened) if code == "o"), "")
        return _OPEN.search(last[-_LONGEST_SEQUENCE:]) is not None


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _clock(outline: Outline, *, short: bool) -> Callable[[int], float]:
    def at(at_us: int) -> float:
        return (outline.short_us(at_us) if short else at_us) / 1_000_000

    return at
