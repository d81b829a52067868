"""A session as plain text that is safe to print, search and mail."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from recorder.replay.neutral import neutralise
from recorder.replay.reader import TraceReader
from recorder.replay.timeline import Raw, Teller, opens_port
from recorder.trace.frames import Frame, FrameType

__all__ = ["neutralise", "render"]

LINE_LIMIT = 4096
"""Characters of one line; a longer one goes on in the next."""

_SEQUENCE_LIMIT = 64
_CURSOR = re.compile(r"(?:\x1b\[|\x9b)[0-?]{0,48}[ -/]{0,4}[@-~]")
"""Control sequences proper (ECMA-48 5.4): colours and cursor moves, left out of a transcript.

Strings that a terminal acts on (OSC, DCS, APC, PM, SOS) are not: they may hold a whole text, and
a transcript leaves no text out.
"""

_OPEN_END = re.compile(r"(?:\x1b|(?:\x1b\[|\x9b)[0-?]{0,48}[ -/]{0,4}|\r)\Z")
_MARKS = {FrameType.OUTPUT: "|", FrameType.ERROR_OUTPUT: "!"}


def render(reader: TraceReader, *, teller: Teller | None = None) -> Iterator[str]:
    """The trace as lines of plain text, without line ends.

    Each line of output starts with its channel and ``|`` (``!`` for error output), each event with
    ``*`` and its time, so that no output can pass for an event. Colours and cursor moves are left
    out, every other control is shown as an escape; a carriage return alone starts a new line. What passed on
    forwarded ports was on no screen, and is not here either: only how much it was.

    Args:
        reader: Stands at the trace's start.
        teller: Whose words the events are told in; None: the format's own.

    Raises:
        ChainBroken: A record is not the one that was written; all before it came out.
        TraceFormatError: A frame cannot be read.
    """
    teller = teller if teller is not None else Raw()
    for line in teller.head(reader.header):
        yield f"* {neutralise(line)}"
    streams: dict[tuple[int, FrameType], _Stream] = {}
    ports: set[int] = set()
    for frame in reader.frames():
        if opens_port(frame):
            ports.add(frame.channel)
        if frame.type in _MARKS:
            if frame.channel in ports:
                continue
            key = (frame.channel, frame.type)
            for other, stream in streams.items():
                if other != key:
                    yield from stream.break_line()
            yield from streams.setdefault(key, _Stream(f"{frame.channel}{_MARKS[frame.type]} ")).lines(
                frame.payload
            )
        elif frame.type is not FrameType.INPUT:
            for stream in streams.values():
                yield from stream.break_line()
            yield _event(frame, teller)
    for stream in streams.values():
        yield from stream.end()


class _Stream:
    """One stream of one channel, between two frames."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._open = ""
        self._line = ""

    def lines(self, payload: bytes) -> Iterator[str]:
        """The lines that these bytes complete."""
        text = self._open + self._decoder.decode(payload)
        self._open = ""
        unfinished = _OPEN_END.search(text, max(0, len(text) - _SEQUENCE_LIMIT))
        if unfinished is not None:
            text, self._open = text[: unfinished.start()], unfinished.group()
        yield from self._take(text)

    def break_line(self) -> Iterator[str]:
        """The line so far, because something else comes between."""
        if self._line:
            yield self._shown(self._line)
            self._line = ""

    def end(self) -> Iterator[str]:
        """All that is left."""
        yield from self._take(self._open + self._decoder.decode(b"", final=True))
        yield from self.break_line()

    def _take(self, text: str) -> Iterator[str]:
        plain = _CURSOR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
        *complete, last = plain.split("\n")
        for piece in complete:
            yield from self._full(self._line + piece)
            self._line = ""
        self._line += last
        while len(self._line) > LINE_LIMIT:
            yield self._shown(self._line[:LINE_LIMIT])
            self._line = self._line[LINE_LIMIT:]

    def _full(self, line: str) -> Iterator[str]:
        for start in range(0, max(1, len(line)), LINE_LIMIT):
            yield self._shown(line[start : start + LINE_LIMIT])

    def _shown(self, line: str) -> str:
        return self._prefix + neutralise(line, keep="\t")


def _event(frame: Frame, teller: Teller) -> str:
    seconds, ns = divmod(frame.at_ns, 1_000_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ns // 1_000_000:03}"
    channel = f"[{frame.channel}] " if frame.channel else ""
    return f"* {clock} {channel}{neutralise(teller.event(frame))}"
