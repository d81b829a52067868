"""A terminal without a screen: what it shows at a moment, as output that draws the same on an empty one.

Run as a program it draws for a player, in a process of its own with little right to the processor: one line of JSON in
(a piece's list of ``[seconds, code, data]``), one line out (the picture after it). It holds no key and opens no file; output of a
device that breaks it ends this process and nothing else.
"""

from __future__ import annotations

import copy
import json
import os
import re
import resource
import sys
from typing import Any, Final

import pyte
from pyte.screens import Char, Cursor
from typing_extensions import override

LOWEST_PRIORITY: Final = 15
MOST_SECONDS: Final = 900
MOST_MEMORY: Final = 1 << 30
MOST_COMBINED: Final = 8
"""Characters of one cell that are drawn: accents may be piled up without end."""
_COLOURS: Final = {
    "black": 0,
    "red": 1,
    "green": 2,
    "brown": 3,
    "blue": 4,
    "magenta": 5,
    "cyan": 6,
    "white": 7,
}
_ALTERNATE: Final = frozenset({47, 1047, 1049})
_WRAPS: Final = 7 << 5
"""DECAWM as pyte numbers private modes."""
_INSERTS: Final = 4
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ACTS: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\r(?!\n)|(?<!\r)\n|\x1b(?!\[[0-9;:]*m)"
)
"""What does more than write, end a line or change colours."""
_STYLES: Final = (
    ("bold", "1"),
    ("italics", "3"),
    ("underscore", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("strikethrough", "9"),
)


class Terminal(pyte.Screen):
    """pyte's screen, with the second page that full-screen programs draw on."""

    def __init__(self, columns: int, lines: int) -> None:
        """Begin empty, *columns* wide and *lines* high."""
        self.behind: tuple[Any, Cursor] | None = None
        """The first page while the second one is shown: its cells, and where its cursor stood."""
        super().__init__(columns, lines)

    @override
    def set_mode(self, *modes: int, **options: Any) -> None:
        """Turn modes on; a second page is an empty one."""
        if options.get("private") and _ALTERNATE.intersection(modes) and self.behind is None:
            self.behind = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*modes, **options)

    @override
    def reset_mode(self, *modes: int, **options: Any) -> None:
        """Turn modes off; behind a second page the first one is as it was left."""
        super().reset_mode(*modes, **options)
        if options.get("private") and _ALTERNATE.intersection(modes) and self.behind is not None:
            cells, cursor = self.behind
            self.behind = None
            self.buffer.clear()
            self.buffer.update(cells)
            self.cursor = cursor
            self.dirty.update(range(self.lines))


class Drawing:
    """Follows output, and tells what is on the screen."""

    def __init__(self, columns: int, rows: int) -> None:
        """Begin with an empty screen of that size."""
        self.screen = Terminal(columns, rows)
        self._stream = pyte.Stream(self.screen)

    def follow(self, code: str, data: Any) -> None:
        """Take one event of a piece: output, or a size; marks are passed over."""
        try:
            if code == "o":
                self._stream.feed(self._without_what_scrolls_away(data))
            elif code == "r":
                self.screen.resize(int(data["rows"]), int(data["cols"]))
        except Exception:  # a sequence that pyte knows badly: what follows it is shown all the same
            self._stream = pyte.Stream(self.screen)

    def _without_what_scrolls_away(self, data: str) -> str:
        """Shorten a flood: lines that scroll away are on no picture, but the colours that they set go on."""
        screen = self.screen
        plain = screen.margins is None and _WRAPS in screen.mode and _INSERTS not in screen.mode
        if not plain or len(data) < 4 * screen.columns * screen.lines:
            return data
        begin = max((found.end() for found in _ACTS.finditer(data)), default=0)
        first = data.find("\r\n", begin)
        if first < 0:
            rest = data[begin:]
            kept = 2 * screen.columns * (screen.lines + 1)
            if begin or not rest.isascii() or "\x1b" in rest or "\t" in rest or len(rest) <= kept:
                return data
            return rest[(len(rest) - kept) // screen.columns * screen.columns :]
        lines = data[first + 2 :].rsplit("\r\n", 2 * screen.lines + 2)
        if len(lines) < 2 * screen.lines + 3:
            return data
        colours = "".join(_COLOUR.findall(lines[0]))
        return "".join([data[: first + 2], colours, "\r\n".join(lines[1:])])

    def output(self) -> str:
        """What draws the same on an empty screen."""
        screen, parts = self.screen, []
        if screen.behind is not None:
            cells, cursor = screen.behind
            parts += [_page(screen, cells), _place(cursor), "\x1b[?1049h"]
        parts.append(_page(screen, screen.buffer))
        margins = screen.margins
        if margins is not None:
            parts.append(f"\x1b[{margins.top + 1};{margins.bottom + 1}r")
        parts += [_place(screen.cursor), _style(screen.cursor.attrs)]
        if screen.cursor.hidden:
            parts.append("\x1b[?25l")
        if _WRAPS not in screen.mode:
            parts.append("\x1b[?7l")
        return "".join(parts)


def _page(screen: pyte.Screen, cells: Any) -> str:
    parts = ["\x1b[0m\x1b[H\x1b[2J"]
    for line in range(screen.lines):
        row = cells.get(line)
        if not row:
            continue
        parts.append(f"\x1b[{line + 1}H")
        style = "\x1b[0m"
        for column in range(min(screen.columns, max(row) + 1)):
            cell = row.get(column, screen.default_char)
            wanted = _style(cell)
            if wanted != style:
                parts.append(wanted)
                style = wanted
            parts.append(cell.data[:MOST_COMBINED])
        parts.append("\x1b[0m")
    return "".join(parts)


def _place(cursor: Cursor) -> str:
    return f"\x1b[{cursor.y + 1};{cursor.x + 1}H"


def _style(cell: Char) -> str:
    codes = ["0", *(code for name, code in _STYLES if getattr(cell, name))]
    for colour, base in ((cell.fg, 30), (cell.bg, 40)):
        if colour == "default":
            continue
        bright = colour.removeprefix("bright")
        if bright in _COLOURS:
            codes.append(str(base + _COLOURS[bright] + (60 if bright != colour else 0)))
        elif len(colour) == 6:
            red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
            codes.append(f"{base + 8};2;{red};{green};{blue}")
    return f"\x1b[{';'.join(codes)}m"


def main() -> None:
    """Draw for whoever writes to standard input, until that ends."""
    os.nice(LOWEST_PRIORITY)
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    size = json.loads(sys.stdin.buffer.readline())
    drawing = Drawing(size["columns"], size["rows"])
    for line in sys.stdin.buffer:
        for _at, code, data in json.loads(line):
            drawing.follow(code, data)
        screen = drawing.screen
        told = {"columns": screen.columns, "rows": screen.lines, "output": drawing.output()}
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
