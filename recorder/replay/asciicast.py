"""Export to asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3)."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from recorder.replay.neutral import neutralise
from recorder.replay.reader import TraceReader
from recorder.replay.timeline import Raw, Teller, opens_port
from recorder.trace.frames import Frame, FrameType, facts
from recorder.trace.header import TraceHeader

_SHOWN = frozenset({FrameType.OUTPUT, FrameType.ERROR_OUTPUT})
_MARKED = frozenset(
    {
        FrameType.OPEN,
        FrameType.REQUEST,
        FrameType.REFUSED,
        FrameType.WARNING,
        FrameType.FILE,
        FrameType.MARKER,
        FrameType.GAP,
        FrameType.SIGNAL,
        FrameType.BREAK,
        FrameType.DIGEST,
    }
)
_DEFAULT_SIZE = (80, 24)
_LARGEST_SIDE = 1000
"""Columns or rows beyond which a size from a client is not believed: a player would allocate them."""


def export(
    reader: TraceReader,
    *,
    channel: int | None = None,
    teller: Teller | None = None,
    watch: Callable[[Event], None] | None = None,
) -> Iterator[str]:
    """The trace as asciicast v3, one line of NDJSON after another, without line ends.

    Output is data and stays as it is, so that a player shows what the technician saw; JSON's
    escapes keep it inside its line, and ``<`` is escaped too, so that no HTML around it is closed.

    Args:
        reader: Stands at the trace's start.
        channel: Only this channel; None for all, in the order in which they spoke.
        teller: Whose words the markers are in; None: the format's own.
        watch: Is given each event before its line.

    Raises:
        ChainBroken: A record is not the one that was written; all before it came out.
        TraceFormatError: A frame cannot be read.
    """
    cast = perform(reader, channel=channel, teller=teller)
    yield _json(cast.head)
    before_us = 0
    for event in cast.events:
        if watch is not None:
            watch(event)
        yield _json([(event.at_us - before_us) / 1_000_000, event.code, event.data])
        before_us = event.at_us


class Event(NamedTuple):
    """One event of a cast.

    Attributes:
        at_us: Microseconds since the trace was opened; never less than the event's before.
        code: ``o`` output, ``r`` size, ``m`` marker, ``x`` exit status.
        data: The output, ``COLUMNSxROWS``, the marker's words, or the status.
        frame: What it was made from; None for what a stream left behind at its end.
    """

    at_us: int
    code: str
    data: str
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Performance:
    """A cast before it is written down: its head as asciicast v3 has it, and its events, read as they are asked for."""

    head: dict[str, Any]
    events: Iterator[Event]


def perform(reader: TraceReader, *, channel: int | None = None, teller: Teller | None = None) -> Performance:
    """The trace as the events of a cast; arguments and errors are those of `export`."""
    frames = (frame for frame in reader.frames() if channel is None or frame.channel in {channel, 0})
    first: list[Frame] = []
    for frame in frames:
        first.append(frame)
        if frame.type in _SHOWN:
            break
    return Performance(_head(reader.header, first), _events(chain(first, frames), teller))


def _events(frames: Iterator[Frame], teller: Teller | None) -> Iterator[Event]:
    cast = Cast(teller)
    for frame in frames:
        yield from cast.events(frame)
    yield from cast.rest()


class Cast:
    """Makes events out of frames, one after another.

    Args:
        teller: Whose words the markers are in; None: the format's own.
    """

    def __init__(self, teller: Teller | None = None) -> None:
        self._teller = teller if teller is not None else Raw()
        self._at_us = 0
        self._decoders: dict[tuple[int, FrameType], codecs.IncrementalDecoder] = {}
        self._terminals: set[int] = set()
        self._ports: set[int] = set()
        self._status: str | None = None

    def events(self, frame: Frame) -> Iterator[Event]:
        """The events of one frame: none, or one."""
        at_us = frame.at_ns // 1000
        if opens_port(frame):
            self._ports.add(frame.channel)
        if frame.type in _SHOWN:
            if frame.channel in self._ports:  # it was on no screen
                return
            text = self._decoder(frame).decode(frame.payload)
            if text:
                yield self._event(at_us, "o", self._on_screen(frame.channel, text), frame)
            return
        if frame.type is FrameType.INPUT:
            return
        told = facts(frame)
        if frame.type is FrameType.REQUEST and isinstance(told.get("pty"), dict):
            self._terminals.add(frame.channel)
        if frame.type is FrameType.EXIT and "status" in told:
            self._status = str(told["status"])
        if frame.type is FrameType.RESIZE:
            size = size_of(told)
            if size is not None:
                yield self._event(at_us, "r", f"{size[0]}x{size[1]}", frame)
        elif frame.type in _MARKED:
            yield self._event(at_us, "m", neutralise(self._teller.event(frame)), frame)
        elif frame.type is FrameType.END and self._status is not None:
            yield from self.rest()
            yield self._event(at_us, "x", self._status, frame)

    def rest(self) -> Iterator[Event]:
        """What a character that never came to its end leaves behind."""
        for (channel, _), decoder in self._decoders.items():
            text = decoder.decode(b"", final=True)
            if text:
                yield self._event(self._at_us, "o", self._on_screen(channel, text), None)

    def _decoder(self, frame: Frame) -> codecs.IncrementalDecoder:
        key = (frame.channel, frame.type)
        if key not in self._decoders:
            self._decoders[key] = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoders[key]

    def _on_screen(self, channel: int, text: str) -> str:
        """Output without a terminal has bare line feeds, which would run down the screen in steps."""
        return text if channel in self._terminals else text.replace("\r\n", "\n").replace("\n", "\r\n")

    def _event(self, at_us: int, code: str, data: str, frame: Frame | None) -> Event:
        self._at_us = max(self._at_us, at_us)
        return Event(self._at_us, code, data, frame)


def _head(header: TraceHeader, first: list[Frame]) -> dict[str, Any]:
    term: dict[str, Any] = {"cols": _DEFAULT_SIZE[0], "rows": _DEFAULT_SIZE[1]}
    for frame in first:
        if frame.type is not FrameType.REQUEST:
            continue
        pty = facts(frame).get("pty")
        if isinstance(pty, dict) and (size := size_of(pty)) is not None:
            term = {"cols": size[0], "rows": size[1], "type": str(pty.get("term", ""))[:64]}
            break
    return {
        "version": 3,
        "term": term,
        "timestamp": int(header.started_at.timestamp()),
        "title": f"{header.person['login']} {header.device['name']} {header.account}",
    }


def size_of(told: dict[str, Any]) -> tuple[int, int] | None:
    """Columns and rows as a client told them; None for a size that no player is given."""
    columns, rows = told.get("columns"), told.get("rows")
    if not isinstance(columns, int) or not isinstance(rows, int):
        return None
    return (columns, rows) if 0 < columns <= _LARGEST_SIDE and 0 < rows <= _LARGEST_SIDE else None


def _json(value: object) -> str:
    return json.dumps(value, separators=(", ", ": ")).replace("<", "\\u003c")
