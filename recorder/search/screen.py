"""What was on a terminal's screen, line by line: an emulator is fed, and each line is told once it is gone or settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import pyte
from pyte.screens import Cursor
from typing_extensions import override

from recorder.replay.terminal import Terminal

MAX_COLUMNS: Final = 500
MAX_ROWS: Final = 200

SETTLED_MS: Final = 1000
"""A line that has been there for so long was there to be read; what was overwritten sooner may not be told."""
REPEATED_MS: Final = 60_000
"""How long a line is not told again."""
RECENT: Final = 400

T = TypeVar("T")
Told = Callable[[int, str], None]
"""Told of a line: when it began to be there (milliseconds since the session began), and its text."""


class _Screen(Terminal):
    """A screen that tells of each line before it is overwritten, erased or scrolled away."""

    def __init__(self, columns: int, rows: int, tell: Told) -> None:
        self.at_ms = 0
        self._tell = tell
        self._since: dict[int, int] = {}
        self._told: dict[int, str] = {}
        super().__init__(columns, rows)

    def row(self, y: int) -> str:
        """Return what stands in a row."""
        line = self.buffer.get(y)
        if not line:
            return ""
        last = max(line)
        return "".join(line[x].data for x in range(min(last + 1, self.columns))).rstrip()

    def settle(self, y: int) -> None:
        """Tell what stands in row *y*, unless that was told already."""
        since = self._since.pop(y, None)
        if since is None:
            return
        text = self.row(y)
        if text and text != self._told.get(y):
            self._tell(since, text)
        self._told[y] = text

    def settle_all(self, before_ms: int | None = None) -> None:
        """Tell all that has not been told; only what was there before *before_ms* if that is given."""
        for y in sorted(self._since):
            if before_ms is None or self._since[y] <= before_ms:
                self.settle(y)

    def forget(self) -> None:
        """Begin anew: rows are no longer what they were."""
        self._since.clear()
        self._told.clear()

    @override
    def touch(self) -> None:
        self._since.setdefault(self.cursor.y, self.at_ms)

    @override
    def turn_back(self, cells: Any, cursor: Cursor) -> None:
        # what comes back was told before the second page hid it
        self.settle_all()
        super().turn_back(cells, cursor)
        self._told = {y: self.row(y) for y in range(self.lines)}

    @override
    def index(self) -> None:
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y != bottom:
            super().index()
            return
        self.settle(top)
        super().index()
        self._since = _scrolled(self._since, top, bottom)
        self._told = _scrolled(self._told, top, bottom)

    @override
    def reverse_index(self) -> None:
        self.settle_all()
        super().reverse_index()
        self._told.clear()

    @override
    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        self.settle_all()
        super().erase_in_display(how, *args, **kwargs)
        self._told.clear()

    @override
    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        # to the end of the line, as shells do after each key, takes nothing that stood before the cursor
        if how != 0 or self.cursor.x == 0:
            self.settle(self.cursor.y)
        super().erase_in_line(how, private)

    @override
    def insert_lines(self, count: int | None = None) -> None:
        self.settle_all()
        super().insert_lines(count)
        self._told.clear()

    @override
    def delete_lines(self, count: int | None = None) -> None:
        self.settle_all()
        super().delete_lines(count)
        self._told.clear()

    @override
    def reset(self) -> None:
        self.settle_all()
        self._told.clear()
        super().reset()


def _scrolled(known: dict[int, T], top: int, bottom: int) -> dict[int, T]:
    return {y - 1 if top < y <= bottom else y: value for y, value in known.items() if y != top}


class ChannelTerminal:
    """One channel's terminal, fed with what the device sent.

    Args:
        columns: Its width; bounded.
        rows: Its height; bounded.
        tell: Told of each line.
    """

    def __init__(self, columns: int, rows: int, tell: Told) -> None:
        self._tell = tell
        self._screen = _Screen(*_size(columns, rows), self._told)
        self._stream = pyte.ByteStream(self._screen)
        self._settled_ms = 0
        self._recent: dict[str, int] = {}

    def feed(self, at_ms: int, data: bytes) -> None:
        """Show *data*, which came at *at_ms*; what has stood still for `SETTLED_MS` by then is told first."""
        if at_ms - self._settled_ms >= SETTLED_MS:
            self._screen.settle_all(at_ms - SETTLED_MS)
            self._settled_ms = at_ms
        self._screen.at_ms = at_ms
        try:
            self._stream.feed(data)
        except Exception:
            # a parser that a device's bytes broke is replaced, whatever broke it
            self._stream = pyte.ByteStream(self._screen)

    def resize(self, columns: int, rows: int) -> None:
        """Change its size; bounded."""
        self._screen.settle_all()
        width, height = _size(columns, rows)
        self._screen.resize(height, width)
        # rows moved: what is there is told again rather than taken for what was
        self._screen.forget()

    def close(self) -> None:
        """Tell what is left."""
        self._screen.settle_all()

    def _told(self, at_ms: int, text: str) -> None:
        """Pass a line on, unless the same one was told lately: programs that redraw would fill the index with it."""
        last = self._recent.pop(text, None)
        self._recent[text] = at_ms if last is None or at_ms - last >= REPEATED_MS else last
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        if self._recent[text] == at_ms and last != at_ms:
            self._tell(at_ms, text)


def _size(columns: int, rows: int) -> tuple[int, int]:
    return max(1, min(columns, MAX_COLUMNS)), max(1, min(rows, MAX_ROWS))
