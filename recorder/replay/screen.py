"""A terminal without a screen: what it shows at a moment, as output that draws the same on an empty one.

Run as a program it draws for a player, in a process of its own with little right to the processor: one line of JSON in
(a piece's list of ``[seconds, code, data]``), one line out (the picture after it). It holds no key and opens no file; output of a
device that breaks it ends this process and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import pyte
from pyte import charsets
from pyte.modes import DECOM
from pyte.screens import Char, Cursor
from wcwidth import wcwidth

from recorder.confinement import confine
from recorder.replay.picture import Picture
from recorder.replay.terminal import INSERTS, MAX_COMBINED, WRAPS, Terminal

LOWEST_PRIORITY: Final = 15
MOST_SECONDS: Final = 900
MOST_MEMORY: Final = 1 << 30
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
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ACTS: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\r(?!\n)|(?<!\r)\n|\x1b(?!\[[0-9;:]*m)"
)
"""What does more than write, end a line or change colours."""
_CLEARS: Final = tuple(
    home + erase for home in ("\x1b[H", "\x1b[1;1H", "\x1b[;H") for erase in ("\x1b[2J", "\x1b[J", "\x1b[0J")
)
"""What empties the whole screen and goes to its first cell, as ``clear`` does."""
_MODES: Final = re.compile(
    r"\x1b\[\?(?:1|7|12|25|100[02-6]|1015|2004)(?:;(?:1|7|12|25|100[02-6]|1015|2004))*[hl]"
)
"""Modes of which only the last word counts."""
_UNUSUAL: Final = re.compile(
    r"[\x9b\x9d]|\x1b(?!\[[0-9;]*[@-HJ-MPX`a-fmnt]|\[[0-9]* q|[()][A-Z0-9]|[=>DEM\\]"
    r"|\][0-9][^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\)" + f"|{_MODES.pattern[4:]})"
)
"""What an empty screen may remember, or what is no whole sequence: all else is gone with the cells that it wrote."""
_WHOLE: Final = re.compile(r"\x1b(?:\[[?>=!]?[0-9;:]*[ $]?[@-~]|[78cH])")
_SGR: Final = re.compile(r"\x1b\[[0-9;]*m")
_PLAIN: Final = ("\x1b[0m", "\x1b[m")
_STYLES: Final = (
    ("bold", "1"),
    ("italics", "3"),
    ("underscore", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("strikethrough", "9"),
)


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
                self._feed(data)
            elif code == "r":
                columns, _, rows = data.partition("x")
                self.screen.resize(int(rows), int(columns))
        except Exception:  # a sequence that pyte knows badly: what follows it is shown all the same
            self._stream = pyte.Stream(self.screen)

    def follow_all(self, happened: Iterable[tuple[float, str, Any]]) -> None:
        """Take the events of a piece. Output between two sizes is fed at once: most of it scrolls away unseen."""
        for code, run in groupby((one for one in happened if one[1] != "m"), key=itemgetter(1)):
            if code == "o":
                self.follow("o", "".join(data for _, _, data in run))
            else:
                for _, _, data in run:
                    self.follow(code, data)

    def _feed(self, data: str) -> None:
        """Feed output but for what is on no picture: what was cleared away again, and what scrolled away."""
        begin, clear = self._cleared(data)
        if clear:
            self._feed_lines(data[:begin])
            at_rest = self._stream._taking_plain_text  # noqa: SLF001 - nothing else tells that no sequence is open
            if at_rest and DECOM not in self.screen.mode:
                self._stream.feed("".join([*_MODES.findall(data, begin, clear), _PLAIN[0]]))
                begin = clear
        self._feed_lines(data[begin:])

    def _cleared(self, data: str) -> tuple[int, int]:
        """Between which two places only cells are written that are cleared after the second one; two zeros for nowhere."""
        clear = max(data.rfind(one) for one in _CLEARS)
        begin = 0
        for found in _UNUSUAL.finditer(data, 0, max(0, clear)):
            whole = _WHOLE.match(data, found.start(), clear)
            if whole is None:
                return 0, 0
            begin = whole.end()
        plain = max(data.rfind(one, begin, max(begin, clear)) for one in _PLAIN)
        coloured = plain < 0 or _SGR.search(data, plain + len(_PLAIN[1]), clear) is not None
        if coloured or clear - begin < 4 * self.screen.columns * self.screen.lines:
            return 0, 0
        return begin, clear

    def _feed_lines(self, data: str) -> None:
        """Feed output but for floods of lines: those that scroll away are on no picture, only the colours that they set go on."""
        fed, flood = 0, 4 * self.screen.columns * self.screen.lines
        if len(data) >= flood:
            begin = 0
            for end, after in (*(found.span() for found in _ACTS.finditer(data)), (len(data), 0)):
                if end - begin >= flood:
                    fed = self._fed_shortened(data, fed, begin, end)
                begin = after
        self._stream.feed(data[fed:])

    def _fed_shortened(self, data: str, fed: int, begin: int, end: int) -> int:
        """Feed what comes before *begin* and return from where on the rest is fed; nothing between that and *end* acts."""
        screen = self.screen
        first = data.find("\r\n", begin, end)
        if first < 0:
            kept = 2 * screen.columns * (screen.lines + 1)
            text = data[begin:end]
            if begin or not text.isascii() or "\x1b" in text or "\t" in text or len(text) <= kept:
                return fed
            return (end - kept) // screen.columns * screen.columns if self._is_plain() else fed
        self._stream.feed(data[fed : first + 2])
        lines = data[first + 2 : end].rsplit("\r\n", 2 * screen.lines + 2)
        if not self._is_plain() or len(lines) < 2 * screen.lines + 3:
            return first + 2
        self._stream.feed("".join(_COLOUR.findall(lines[0])))
        return first + 2 + len(lines[0]) + 2

    def _is_plain(self) -> bool:
        screen = self.screen
        return screen.margins is None and WRAPS in screen.mode and INSERTS not in screen.mode

    def picture(self) -> Picture:
        """What is on the screen now."""
        return Picture(self.screen.columns, self.screen.lines, self.output())

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
        parts += [*_cursor(screen), _style(screen.cursor.attrs)]
        if screen.g0_charset is not charsets.LAT1_MAP:
            parts.append("\x1b(0")
        if screen.charset:
            parts.append("\x0e")
        if screen.cursor.hidden:
            parts.append("\x1b[?25l")
        if WRAPS not in screen.mode:
            parts.append("\x1b[?7l")
        if INSERTS in screen.mode:
            parts.append("\x1b[4h")
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
            wanted = _style(row[column])
            if wanted != style:
                parts.append(wanted)
                style = wanted
            parts.append(_shown(row, column))
        parts.append("\x1b[0m")
    return "".join(parts)


def _shown(row: Mapping[int, Char], column: int) -> str:
    """What a cell shows; half of a wide character, whose other half was overwritten, shows nothing and takes its room."""
    text = row[column].data
    if text.isascii() and text:
        return text
    if text == "":
        return "" if column and wcwidth(row[column - 1].data[:1]) == 2 else " "
    if wcwidth(text[0]) == 2 and row[column + 1].data != "":
        return " "
    return text[:MAX_COMBINED]


def _cursor(screen: pyte.Screen) -> Iterator[str]:
    """Where the cursor is; behind a full row the next character begins another, which only writing its last one again tells."""
    cursor = screen.cursor
    row = screen.buffer[cursor.y]
    if cursor.x < screen.columns:
        yield _place(cursor)
        return
    last = screen.columns - 1
    if row[last].data == "" and last:
        last -= 1
    yield f"\x1b[{cursor.y + 1};{last + 1}H{_style(row[last])}{_shown(row, last)}"


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
    confine(nice=LOWEST_PRIORITY, cpu_seconds=MOST_SECONDS, memory_bytes=MOST_MEMORY)
    size = json.loads(sys.stdin.buffer.readline())
    drawing = Drawing(size["columns"], size["rows"])
    for line in sys.stdin.buffer:
        drawing.follow_all(json.loads(line))
        sys.stdout.buffer.write(drawing.picture().to_json() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
