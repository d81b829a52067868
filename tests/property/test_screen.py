"""A flood that is shortened draws the same picture as the whole of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyte.screens import Char

from recorder.replay.screen import Drawing, _shown
from recorder.replay.terminal import Terminal

COLUMNS, ROWS = 12, 4
PIECES = st.sampled_from(
    ["ligne", "é", "界", "x" * 30, "\x1b[31m", "\x1b[0m", "\x1b[1;4m", "\r\n", "\r\n", "\r\n", "\t", " "]
)
ACTING = st.sampled_from(
    ["\x1b[2J", "\x1b[H", "\x1b[3;7H", "\x07", "\r", "\n", "\x1b]0;t\x07", "\x1b[2;3r", "\x1b[?7l", "\x1b[4h"]
)

MODES = st.sampled_from(
    ["\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b[4l", "\x1b[?7h", "\x1b[?1049h", "\x1b[?1049l"]
)


def whole(*outputs: str) -> Terminal:
    """The screen after all of these, none shortened."""
    drawing = Drawing(COLUMNS, ROWS)
    for output in outputs:
        drawing._stream.feed(output)
    return drawing.screen


def shortened(*outputs: str) -> Terminal:
    """The screen after all of these as a replay follows them."""
    drawing = Drawing(COLUMNS, ROWS)
    for output in outputs:
        drawing.follow("o", output)
    return drawing.screen


def same(first: Terminal, second: Terminal) -> None:
    """Compare what is shown, where the cursor is, and in which colours it goes on."""
    assert (first.cursor.x, first.cursor.y, first.cursor.attrs) == (
        second.cursor.x,
        second.cursor.y,
        second.cursor.attrs,
    )
    for line in range(ROWS):
        assert cells(first, line) == cells(second, line)


def cells(screen: Terminal, line: int) -> list[Char]:
    """The cells of a line; half of a wide character is none, and nothing has no colour."""
    row = screen.buffer[line]
    found = [row[at]._replace(data=_shown(row, at)) for at in range(COLUMNS)]
    return [screen.default_char if cell.data == " " else cell for cell in found]


@settings(max_examples=60)
@given(st.lists(st.one_of(PIECES, ACTING), max_size=12), st.lists(PIECES, min_size=60, max_size=160))
def test_a_flood_of_lines(before: list[str], flood: list[str]) -> None:
    """Whatever was on the screen and whatever state it is in, a flood leaves the same behind."""
    start, text = "".join(before), "".join(flood)
    same(shortened(start, text), whole(start, text))
    same(shortened(start + text), whole(start + text))


@settings(max_examples=60)
@given(
    st.lists(st.one_of(PIECES, ACTING, MODES), max_size=30), st.lists(st.one_of(PIECES, ACTING), max_size=12)
)
def test_a_picture_goes_on_as_the_screen_does(before: list[str], after: list[str]) -> None:
    """Wherever a recording is cut, what is drawn there shows the same, and so does all that follows."""
    drawing, text = Drawing(COLUMNS, ROWS), "".join(after)
    drawing.follow("o", "".join(before))
    same(whole(drawing.output()), drawing.screen)
    same(whole(drawing.output(), text), shortened("".join(before), text))


REMEMBERED = st.sampled_from(
    [
        "\x1b7",
        "\x1b8",
        "\x1b[?6h",
        "\x1b[?6l",
        "\x1b[?25l",
        "\x1b[?25h",
        "\x1b[?3h",
        "\x1b[?5h",
        "\x1bH",
        "\x1b[3g",
        "\x1b[?1;25h",
        "\x1b[?2004h",
        "\x1b(B\x1b[m",
        "\x1b[2 q",
        "\x1b[>4;1m",
        "\x1b[4:3m",
        "\x1bM",
        "\x1bc",
        "\x1b#8",
    ]
)
BROKEN = st.sampled_from(
    [
        "\x1b]0;",
        "\x1bP",
        "\x1b[",
        "\x1b[12",
        "\x1b",
        "\x9b",
        "\x9d0;",
        "\x18",
        "\x1b\\",
        "\x07",
        "\x1b]8;;http://x\x07",
        "\x1b]R",
        "\x1bX",
        "\x1b[?",
        "\x1b[1$",
        "\x1b%",
    ]
)
CLEAR = st.sampled_from(
    ["\x1b[H\x1b[2J", "\x1b[H\x1b[J", "\x1b[1;1H\x1b[0J", "\x1b[2J\x1b[H", "\x1b[H\x1b[2J\x1b[3J"]
)


@settings(max_examples=150)
@given(
    st.lists(st.one_of(PIECES, ACTING, MODES, REMEMBERED), max_size=8),
    st.lists(st.one_of(PIECES, PIECES, PIECES, ACTING, MODES, REMEMBERED, BROKEN), max_size=12),
    st.lists(PIECES, min_size=60, max_size=120),
    CLEAR,
    st.lists(st.one_of(PIECES, ACTING, MODES, REMEMBERED), max_size=12),
)
def test_what_was_cleared_away(
    before: list[str], shown: list[str], flood: list[str], clear: str, after: list[str]
) -> None:
    """Whatever a screen that was cleared had shown, and whatever a device sent to make it look so, what is left is the same."""
    start, text = "".join(before), "".join([*shown, *flood, "\x1b[0m", clear, *after])
    same(shortened(start, text), whole(start, text))
    same(shortened(start + text), whole(start + text))


def test_what_was_cleared_away_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pages that followed each other only the last is fed to the emulator, which is what takes time."""
    drawing, fed = Drawing(COLUMNS, ROWS), list[int]()
    feed = drawing._stream.feed

    def counted(data: str) -> None:
        fed.append(len(data))
        feed(data)

    monkeypatch.setattr(drawing._stream, "feed", counted)
    page = "\x1b[H\x1b[2J" + "\x1b[31mtube\x1b[0m: état\x1b[K\r\n" * 20
    drawing.follow("o", page * 200)
    assert sum(fed) < 3 * len(page)
    same(drawing.screen, whole(page * 200))


@pytest.mark.parametrize("length", [1, 11, 12, 13, 500, 5000, 5003])
@pytest.mark.parametrize("before", ["", "abc", "x" * 12, "\x1b[2;5H", "\r\n\r\n\r\n\r\nzz"])
def test_a_line_without_end(before: str, length: int) -> None:
    """One line of any length, from any column, ends where it would have ended."""
    text = "".join(chr(33 + at % 90) for at in range(length))
    same(shortened(before, text), whole(before, text))
