"""A terminal emulator's screen, for whoever has to know what was shown: pyte's, with what it lacks and at several times its speed.

Search tells its lines (`recorder.search.screen`), replay draws it (`recorder.replay.screen`).
"""

from __future__ import annotations

import copy
import re
import unicodedata
from typing import Any, Final

import pyte
from pyte import charsets
from pyte.screens import Char, Cursor
from typing_extensions import override
from wcwidth import wcwidth

MAX_COMBINED: Final = 8
"""Characters that one cell holds, at most: accents may be piled up without end."""
WRAPS: Final = 7 << 5
"""DECAWM as pyte numbers private modes."""
INSERTS: Final = 4
_ALTERNATE: Final = frozenset({47, 1047, 1049})
_ONE_CELL_EACH: Final = re.compile(r"[ -~\xa1-\xac\xae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f]+")
"""Text of which each character fills one cell: nearly all there is."""
_MOST_STYLES: Final = 256


class Terminal(pyte.Screen):
    """pyte's screen, with the second page that full-screen programs draw on."""

    def __init__(self, columns: int, lines: int) -> None:
        """Begin empty, *columns* wide and *lines* high."""
        self.behind: tuple[Any, Cursor] | None = None
        """The first page while the second one is shown: its cells, and where its cursor stood."""
        self._cells: dict[Char, _Cells] = {}
        self._styles: dict[tuple[Char, tuple[int, ...]], Char] = {}
        super().__init__(columns, lines)

    def touch(self) -> None:
        """Be told that the cursor's row is written on; nothing happens here."""

    @override
    def draw(self, data: str) -> None:
        charset = self.g1_charset if self.charset else self.g0_charset
        plain = charset is charsets.LAT1_MAP and WRAPS in self.mode and INSERTS not in self.mode
        if plain and _ONE_CELL_EACH.fullmatch(data):
            self._fill(data)
            return
        if not data.isascii():
            data = _showable(data)
        for start in range(0, len(data), self.columns):
            self.touch()
            super().draw(data[start : start + self.columns])
            self.touch()
            self._trim()

    @override
    def select_graphic_rendition(self, *attrs: int, **options: Any) -> None:
        key = (self.cursor.attrs, attrs)
        known = self._styles.get(key)
        if known is None:
            super().select_graphic_rendition(*attrs)
            if len(self._styles) >= _MOST_STYLES:
                self._styles.clear()
            self._styles[key] = self.cursor.attrs
        else:
            self.cursor.attrs = known

    @override
    def set_mode(self, *modes: int, **options: Any) -> None:
        """Turn modes on; a second page is an empty one."""
        if options.get("private") and _ALTERNATE.intersection(modes) and self.behind is None:
            kept = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)
            self.behind = kept
        super().set_mode(*modes, **options)

    @override
    def reset_mode(self, *modes: int, **options: Any) -> None:
        """Turn modes off; behind a second page the first one is as it was left."""
        super().reset_mode(*modes, **options)
        if options.get("private") and _ALTERNATE.intersection(modes) and self.behind is not None:
            self.turn_back(*self.behind)
            self.behind = None

    def turn_back(self, cells: Any, cursor: Cursor) -> None:
        """Show the first page again."""
        self.buffer.clear()
        self.buffer.update(cells)
        self.cursor = cursor
        self.dirty.update(range(self.lines))

    def _fill(self, data: str) -> None:
        """Write text of which each character fills one cell, a row at a time."""
        at, length = 0, len(data)
        while at < length:
            if self.cursor.x >= self.columns:
                self.carriage_return()
                self.linefeed()
            self.touch()
            cursor = self.cursor
            part = data[at : at + self.columns - cursor.x]
            cells = self._cells.get(cursor.attrs)
            if cells is None:
                if len(self._cells) >= _MOST_STYLES:
                    self._cells.clear()
                cells = self._cells[cursor.attrs] = _Cells(cursor.attrs)
            end = cursor.x + len(part)
            self.buffer[cursor.y].update(zip(range(cursor.x, end), map(cells.__getitem__, part), strict=True))
            self.dirty.add(cursor.y)
            cursor.x = end
            at += len(part)

    def _trim(self) -> None:
        line = self.buffer[self.cursor.y]
        x = self.cursor.x - 1
        cell = line.get(x)
        if cell is not None and len(cell.data) > MAX_COMBINED:
            line[x] = cell._replace(data=cell.data[:MAX_COMBINED])


class _Cells(dict[str, Char]):
    """The cells of one style by character, each made once."""

    def __init__(self, style: Char) -> None:
        super().__init__()
        self._style = style

    def __missing__(self, character: str) -> Char:
        made = self[character] = self._style._replace(data=character)
        return made


def _showable(data: str) -> str:
    """Return *data* without what takes no room: pyte stops at such a character, and what follows would be hidden."""
    kept: list[str] = []
    piled = 0
    for each in data:
        if wcwidth(each) > 0:
            piled = 0
        elif not unicodedata.combining(each) or piled == MAX_COMBINED:
            continue
        else:
            piled += 1
        kept.append(each)
    return "".join(kept)
