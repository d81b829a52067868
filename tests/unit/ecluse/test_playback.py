"""Playing a recording: what may reach the terminal, and when."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.errors import EcluseError
from ecluse.playback import TerminalFilter, play

PAINT = "\x1b[1;31mrouge\x1b[0m\x1b[2J\x1b[10;5H\x1b[?25l\x1b[?1049h\x1b(0lqk\x1b(B\r\n\té"
HOSTILE = [
    "\x1b]0;titre\x07",
    "\x1b]52;c;cGlyYXRl\x1b\\",
    "\x9d52;c;cGlyYXRl\x9c",
    '\x1bP$q"p\x1b\\',
    "\x1b_Gi=31;AAAA\x1b\\",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[6n",
    "\x1b[21t",
    "\x1b[?1000h",
    "\x1b[?2004h",
    "\x1b[?1049;1003h",
    "\x1b[?u",
    "\x1b[>q",
    "\x1b[?1$p",
    "\x1bZ",
    "\x05",
    "\x07",
    "\x9b6n",
    "\x1b[12h",
]


def test_what_paints_the_screen_passes() -> None:
    """Colours, cursor moves, the alternate screen, line drawing and tabs are played as they were."""
    assert TerminalFilter().feed(PAINT) == PAINT


@pytest.mark.parametrize("attack", HOSTILE)
def test_what_acts_on_the_terminal_does_not_pass(attack: str) -> None:
    """Titles, clipboard, questions that the terminal answers, mouse and paste modes leave nothing behind."""
    shown = TerminalFilter().feed(f"avant{attack}après")
    assert "\x1b" not in shown
    assert "avant" in shown
    assert shown.endswith("après")


@given(
    st.lists(st.sampled_from([*HOSTILE, PAINT, "texte", "\x1b", "\x1b[", "\x1b]", ";"]), max_size=8),
    st.data(),
)
def test_pieces_make_no_difference(parts: list[str], data: st.DataObject) -> None:
    """However the text is cut, the same passes: no sequence slips through between two pieces."""
    text = "".join(parts)
    whole = TerminalFilter()
    expected = whole.feed(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = TerminalFilter()
    shown = "".join(
        pieces.feed(text[start:end]) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
    )
    assert shown == expected


@given(st.text())
def test_no_text_leaves_a_way_to_the_terminal(text: str) -> None:
    """Of any text, what passes holds no C1 control, no string sequence and no control but those of a screen."""
    shown = TerminalFilter().feed(text)
    assert not any("\x80" <= character <= "\x9f" for character in shown)
    assert not any(start in shown for start in ("\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX"))


def _cast(*events: tuple[float, str, str]) -> list[str]:
    return ['{"version": 3, "term": {"cols": 80, "rows": 24}}', *(json.dumps(event) for event in events)]


def test_the_pace_is_the_recording_s() -> None:
    """Each pause is the recorded one, and no longer than the idle cut."""
    pauses: list[float] = []
    shown: list[str] = []
    play(
        _cast((1.0, "o", "a"), (30.0, "o", "b"), (0.5, "m", "x")),
        shown.append,
        pauses.append,
        idle_cut=4,
    )
    assert shown == ["a", "b"]
    assert pauses == [1.0, 4.0, 0.5]


def test_seeking_paints_what_came_before_without_waiting() -> None:
    """From the instant sought on time counts; the screen before it is there at once."""
    pauses: list[float] = []
    shown: list[str] = []
    play(_cast((10.0, "o", "a"), (10.0, "o", "b")), shown.append, pauses.append, seek=15)
    assert (shown, pauses) == (["a", "b"], [5.0])


@pytest.mark.parametrize("lines", [["junk"], ['{"version": 2}'], ['{"version": 3}', "[1]"], ["[1,2]"]])
def test_what_is_no_asciicast_is_refused(lines: list[str]) -> None:
    """Another format, or a line that is no event, is an error and not a half of a replay."""
    with pytest.raises(EcluseError):
        play(lines, lambda _: None, lambda _: None)
