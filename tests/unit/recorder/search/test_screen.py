"""What was on a screen: each line once, at its moment, whatever a device does to the terminal."""

import pytest

from recorder.replay.terminal import MAX_COMBINED
from recorder.search.screen import ChannelTerminal


class Shown:
    """A terminal of 40 by 5, and what it told."""

    def __init__(self) -> None:
        """Begin with an empty screen."""
        self.told: list[tuple[int, str]] = []
        self.terminal = ChannelTerminal(40, 5, lambda at, text: self.told.append((at, text)))

    def feed(self, at_ms: int, data: bytes) -> None:
        """Show *data* at *at_ms*."""
        self.terminal.feed(at_ms, data)

    def lines(self) -> list[str]:
        """End, and return the lines told."""
        self.terminal.close()
        return [text for _, text in self.told]


def test_a_typed_line_is_one_line_at_its_begin() -> None:
    """Keys that come one by one make one line, with the moment at which it began."""
    shown = Shown()
    for number, key in enumerate(b"ls -la"):
        shown.feed(100 + number * 10, bytes([key]))
    shown.feed(300, b"\r\ntotal 4\r\n")
    shown.lines()
    assert shown.told == [(100, "ls -la"), (300, "total 4")]


def test_what_scrolls_away_and_what_is_erased_is_told_before_it_is_gone() -> None:
    """A hundred lines on five rows are a hundred lines; a screen that is cleared was there."""
    shown = Shown()
    shown.feed(0, b"".join(b"line %d\r\n" % number for number in range(100)))
    shown.feed(10, b"\x1b[2J\x1b[Hafter")
    assert shown.lines() == [*(f"line {number}" for number in range(100)), "after"]


def test_a_full_screen_program_tells_what_changes_and_no_line_twice_a_minute() -> None:
    """What is redrawn every second is told when it changes, with the moment of each."""
    shown = Shown()
    for second in range(5):
        shown.feed(second * 2000, b"\x1b[H\x1b[2Jload\r\nprocess %d\r\n" % (second // 2))
    shown.lines()
    assert shown.told == [(0, "load"), (0, "process 0"), (4000, "process 1"), (8000, "process 2")]


@pytest.mark.parametrize(
    "storm",
    [
        b"\x1b[" + b"9" * 6000 + b"A",
        b"\x1b]0;" + b"t" * 100_000 + b"\x07",
        b"\x1b]52;c;cGlyYXRl\x07",
        b"\x1bP" + b"q" * 10_000 + b"\x1b\\",
        b"\x1b[99999999999999999999;1H" * 50,
        b"\x1b[?3h\x1b[?3l" * 100,
        b"\x1bc\x1b#8\x1bM" * 100,
        bytes(range(128, 256)) * 20,
        "\u200d\u202e\u0301".encode() * 500,
    ],
)
def test_no_storm_of_sequences_hides_what_follows(storm: bytes) -> None:
    """Whatever came before, a line that is shown afterwards is told."""
    shown = Shown()
    shown.feed(0, storm)
    shown.feed(5000, b"\x18\x1b\\\x1b[!p\x1b[H\x1b[2Jrm -rf /data\r\n")
    assert "rm -rf /data" in shown.lines()


def test_what_a_terminal_does_not_show_hides_no_word() -> None:
    """A character without width does not swallow the rest; piled up accents are bounded."""
    shown = Shown()
    shown.feed(0, "clé\u200b du coffre\r\n".encode() + b"a" + "\u0301".encode() * 5000 + b"b\r\n")
    first, second = shown.lines()
    assert first == "clé du coffre"
    assert len(second) <= MAX_COMBINED + 1


def test_a_terminal_that_changes_its_size_goes_on() -> None:
    """Sizes are bounded, and nothing is lost by a change."""
    shown = Shown()
    shown.feed(0, b"before\r\n")
    shown.terminal.resize(100_000, 0)
    shown.feed(10, b"after " + b"x" * 600)
    lines = shown.lines()
    assert lines[0] == "before"
    assert any("after" in line for line in lines)


def test_a_line_longer_than_the_terminal_is_told_whole() -> None:
    """A line without end that comes at once fills many rows; each of them is told, those in its middle too."""
    shown = Shown()
    shown.feed(0, b" ".join(b"word%03d" % number for number in range(20)))
    shown.feed(5000, b"\x1b[H\x1b[2J")
    assert "".join(shown.lines()).count("word") == 20


def test_behind_a_full_screen_program_the_shell_is_not_told_again() -> None:
    """An editor's page hides the shell's, and what comes back when it ends was told before."""
    shown = Shown()
    shown.feed(0, b"$ vi notes\r\n\x1b[?1049h\x1b[H\x1b[2Jeditor")
    shown.feed(100_000, b"\x1b[?1049l$ exit\r\n")
    shown.feed(200_000, b"\x1b[H\x1b[2J")
    assert shown.lines() == ["$ vi notes", "editor", "$ exit"]
