"""The watch for lines typed without echo."""

import pytest

from gateway.session.evidence import MAX_LINE, EchoWatch


class Terminal:
    """A watch, and a device that echoes, hides or answers as told."""

    def __init__(self) -> None:
        """Start at a shell's prompt."""
        self.alarms: list[int] = []
        self.watch = EchoWatch(self.alarms.append)
        self.watch.shown(b"$ ")

    def line(self, text: bytes, answer: bytes = b"\r\n$ ") -> None:
        """Type *text* key by key, each echoed, then Enter and the *answer*."""
        for key in text:
            self.watch.typed(bytes([key]))
            self.watch.shown(bytes([key]))
        self.watch.typed(b"\r")
        self.watch.shown(answer)

    def hidden(self, text: bytes, answer: bytes = b"\r\n$ ") -> None:
        """Type *text* key by key with no echo, then Enter and the *answer*."""
        for key in text:
            self.watch.typed(bytes([key]))
        self.watch.typed(b"\r")
        self.watch.shown(answer)


@pytest.fixture
def terminal() -> Terminal:
    """Give a terminal."""
    return Terminal()


def test_echoed_lines_raise_nothing(terminal: Terminal) -> None:
    """Lines that the device shows are none of this watch's business."""
    for _ in range(50):
        terminal.line(b"ls -la /etc", b"\r\nhosts\r\npasswd\r\n$ ")
    terminal.watch.end()
    assert terminal.alarms == []


def test_a_password_is_normal(terminal: Terminal) -> None:
    """One hidden answer to a question raises nothing, mistyped twice neither."""
    terminal.line(b"sudo -i", b"\r\n[sudo] password for maint: ")
    terminal.hidden(b"hunter2", b"\r\nSorry, try again.\r\n[sudo] password for maint: ")
    terminal.hidden(b"hunter3", b"\r\nSorry, try again.\r\n[sudo] password for maint: ")
    terminal.hidden(b"hunter4", b"\r\n# ")
    terminal.line(b"id", b"\r\nuid=0\r\n# ")
    terminal.watch.end()
    assert terminal.alarms == []


def test_changing_a_password_is_normal(terminal: Terminal) -> None:
    """The three questions of passwd, asked twice, raise nothing."""
    terminal.line(b"passwd", b"\r\nCurrent password: ")
    for _ in range(2):
        terminal.hidden(b"old", b"\r\nNew password: ")
        terminal.hidden(b"new", b"\r\nRetype new password: ")
        terminal.hidden(b"new", b"\r\nCurrent password: ")
    assert terminal.alarms == []


def test_hidden_commands_at_a_shell_are_told(terminal: Terminal) -> None:
    """After ``stty -echo`` each command beyond the first raises an alarm, though the shell shows its prompt."""
    terminal.line(b"stty -echo")
    for command in (b"cat /etc/shadow", b"id", b"reboot"):
        terminal.hidden(command)
    assert terminal.alarms == [1, 2]


def test_what_a_hidden_command_prints_is_not_its_echo(terminal: Terminal) -> None:
    """With echo off even Enter is not shown: output that happens to hold the command's letters is no echo."""
    terminal.line(b"stty -echo")
    terminal.hidden(b"id", b"uid=0(root) gid=0(root)\r\n$ ")
    terminal.hidden(b"id", b"uid=0(root) gid=0(root)\r\n$ ")
    terminal.hidden(b"uname -a", b"Linux scan01 6.1.0 uname -a x86_64 GNU\r\n$ ")
    terminal.hidden(b"cat /etc/hosts", b"127.0.0.1 localhost\r\n$ ")
    terminal.watch.end()
    assert terminal.alarms == [1, 2, 3]


def test_hidden_lines_with_no_prompt_are_told(terminal: Terminal) -> None:
    """Lines fed to a silent program are told at the next key after the device asks again."""
    terminal.line(b"stty -echo; cat > run.sh", b"\r\n")
    for line in (b"one", b"two", b"three"):
        terminal.hidden(line, b"")
    terminal.watch.shown(b"\r\n\r\n\r\n\r\n$ ")
    terminal.watch.typed(b"i")
    assert terminal.alarms == [1, 2]


def test_hidden_lines_with_no_output_are_told_at_the_end(terminal: Terminal) -> None:
    """What still waits for an echo when the terminal closes had none."""
    for line in (b"one", b"two", b"three"):
        terminal.hidden(line, b"")
    assert terminal.alarms == []
    terminal.watch.end()
    assert terminal.alarms == [1, 2]


def test_a_silent_device_is_not_waited_for_without_end(terminal: Terminal) -> None:
    """A line that no output follows is judged after some more keystrokes, without any clock."""
    terminal.hidden(b"first", b"")
    terminal.hidden(b"second", b"")
    for _ in range(70):
        terminal.watch.typed(b"x")
    assert terminal.alarms == [1]


def test_a_false_prompt_runs_out(terminal: Terminal) -> None:
    """A prompt made to look like a question excuses only so many hidden lines in a row."""
    terminal.line(b"PS1='Password: '; stty -echo", b"\r\nPassword: ")
    for _ in range(12):
        terminal.hidden(b"cat /etc/shadow", b"\r\nPassword: ")
    assert terminal.alarms == [1, 2, 3, 4]


def test_an_echo_that_comes_after_enter_counts(terminal: Terminal) -> None:
    """On a slow line the echo may come after Enter was typed, in pieces."""
    for _ in range(5):
        terminal.watch.typed(b"uptime\r")
        for piece in (b"up", b"ti", b"me\r", b"\n 10:00 up 3 days\r\n$ "):
            terminal.watch.shown(piece)
    terminal.watch.end()
    assert terminal.alarms == []


def test_pasted_lines_are_found_among_what_they_print(terminal: Terminal) -> None:
    """A paste of commands is shown line by line by a shell that runs each before it shows the next."""
    terminal.watch.typed(b"ls\rpwd\rid\ruptime\r")
    terminal.watch.shown(b"ls\r\nalpha\r\nbeta\r\n$ pwd\r\n/root\r\n" + b"noise\r\n" * 400)
    terminal.watch.shown(b"$ id\r\nuid=0\r\n$ uptime\r\nup 3 days\r\n$ ")
    terminal.watch.end()
    assert terminal.alarms == []


def test_redraws_completion_and_erasing_are_tolerated(terminal: Terminal) -> None:
    """Colours, redrawn lines, a completion and erased characters do not hide an echo."""
    for _ in range(3):
        terminal.watch.typed(b"c")
        terminal.watch.shown(b"\x1b[32mc\x1b[0m")
        terminal.watch.typed(b"x\x7f")
        terminal.watch.shown(b"x\b \b")
        terminal.watch.typed(b"at /etc/pass\t")
        terminal.watch.shown(b"\r\x1b[K$ \x1b[1mcat\x1b[0m /etc/pass")
        terminal.watch.shown(b"wd ")
        terminal.watch.typed(b"\x1b[D\x1b[C\x1bOA")
        terminal.watch.typed(b"| wc")
        terminal.watch.shown(b"\x1b]0;title\x07| wc")
        terminal.watch.typed(b"\r")
        terminal.watch.shown(b"\r\n42\r\n$ ")
    terminal.watch.end()
    assert terminal.alarms == []


def test_a_sequence_split_between_pieces_is_no_text(terminal: Terminal) -> None:
    """The letters inside a control sequence are no echo, even where it is cut in two."""
    for _ in range(3):
        terminal.watch.typed(b"m")
        terminal.watch.shown(b"\x1b[3")
        terminal.watch.shown(b"2m\r\n$ ")
        terminal.watch.typed(b"\r")
        terminal.watch.shown(b"\r\n$ ")
    assert terminal.alarms == [1, 2]


def test_full_screen_programs_do_not_count(terminal: Terminal) -> None:
    """Keys on the alternate screen, entered and left by a sequence cut in two, raise nothing."""
    terminal.line(b"less log", b"\r\n\x1b[?10")
    terminal.watch.shown(b"49h\x1b[Htext")
    for _ in range(20):
        terminal.hidden(b"/pattern", b"\x1b[Hmore text")
    terminal.watch.shown(b"\x1b[?1049")
    terminal.watch.shown(b"l$ ")
    terminal.line(b"id")
    assert terminal.alarms == []
    terminal.hidden(b"one")
    terminal.hidden(b"two")
    assert terminal.alarms == [1]


def test_interrupting_a_line_forgets_it(terminal: Terminal) -> None:
    """A line given up with Ctrl-C or Ctrl-U was never entered."""
    for _ in range(5):
        terminal.hidden(b"secret\x03")
        terminal.hidden(b"secret\x15")
    assert terminal.alarms == []


def test_what_was_typed_does_not_stay_in_memory(terminal: Terminal) -> None:
    """Once judged, nothing of a hidden line is held by the watch."""
    terminal.line(b"su", b"\r\nPassword: ")
    kept = terminal.watch._line
    terminal.watch.typed(b"hunter2")
    kept = terminal.watch._line
    assert kept.typed == b"hunter2"
    terminal.watch.typed(b"\r")
    terminal.watch.shown(b"\r\n# ")
    assert kept.typed == b""
    assert not terminal.watch._waiting


def test_memory_is_bounded(terminal: Terminal) -> None:
    """Endless lines, and endless lists of lines, are not kept."""
    terminal.watch.typed(b"x" * 1_000_000)
    assert len(terminal.watch._line.typed) == MAX_LINE
    terminal.watch.typed(b"\r")
    terminal.watch.typed(b"yes\r" * 100_000)
    assert terminal.watch._waiting_bytes <= 64 * 1024


def test_a_flood_is_not_read(terminal: Terminal) -> None:
    """While nothing typed is awaited, output costs no more than its length in one pass."""
    terminal.watch.shown(b"y\r\n" * 5_000_000)
    terminal.line(b"id")
    assert terminal.alarms == []
