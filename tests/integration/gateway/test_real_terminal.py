"""The watch for hidden lines on a real terminal, under real shells."""

import os
import pty
import select
import time
from collections.abc import Iterator

import pytest

from gateway.session.evidence import EchoWatch

pytestmark = pytest.mark.integration
PROMPT = b"ready> $ "
SHELLS = {
    "sh": ["sh", "-i"],
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "plain-bash": ["bash", "--norc", "--noprofile", "--noediting", "-i"],
}


class Terminal:
    """A shell on a pseudo-terminal, with the watch between it and the keys."""

    def __init__(self, shell: list[str]) -> None:
        """Start *shell* and wait for its prompt."""
        self.alarms: list[int] = []
        self.watch = EchoWatch(self.alarms.append)
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:  # the child
            os.execvpe(shell[0], shell, {"PATH": os.environ["PATH"], "TERM": "xterm", "PS1": PROMPT.decode()})  # noqa: S606 - an argument list, no shell between
        self.until(PROMPT)

    def until(self, *ends: bytes) -> None:
        """Take output until each of *ends* was seen, in order; fails after a minute."""
        shown, deadline = b"", time.monotonic() + 60
        for end in ends:
            while end not in shown:
                ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
                assert ready, shown
                data = os.read(self.descriptor, 65536)
                self.watch.shown(data)
                shown += data
            shown = shown.partition(end)[2]

    def type(self, keys: bytes, *ends: bytes, paste: bool = False) -> None:
        """Type *keys*, one by one or in one piece, then take output until *ends*."""
        for piece in [keys] if paste else [bytes([key]) for key in keys]:
            self.watch.typed(piece)
            os.write(self.descriptor, piece)
        self.until(*(ends or (PROMPT,)))

    def close(self) -> None:
        """End the shell."""
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)
        self.watch.end()


@pytest.fixture(params=list(SHELLS))
def terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """Give a terminal under each shell."""
    made = Terminal(SHELLS[request.param])
    try:
        yield made
    finally:
        made.close()


def test_ordinary_work_raises_nothing(terminal: Terminal) -> None:
    """Commands typed, and pasted faster than the shell shows them, raise nothing."""
    for _ in range(3):
        terminal.type(b"ls /usr\r")
        terminal.type(b"echo hello\r")
        terminal.type(b"ls /etc\rpwd\runame\r", PROMPT, PROMPT, PROMPT, paste=True)
    assert terminal.alarms == []


def test_a_password_raises_nothing(terminal: Terminal) -> None:
    """A secret asked for without echo raises nothing, however often."""
    for _ in range(3):
        terminal.type(b"stty -echo; printf 'Pass''word: '; read x; stty echo\r", b"Password: ")
        terminal.type(b"hunter2\r")
        terminal.type(b"id\r")
    assert terminal.alarms == []


def test_hidden_commands_are_told() -> None:
    """With echo off in a shell that leaves echo to the terminal, each command beyond the first is told."""
    for name in ("sh", "plain-bash"):
        terminal = Terminal(SHELLS[name])
        terminal.type(b"stty -echo\r")
        for command in (b"cat /etc/passwd\r", b"id\r", b"uname -a\r"):
            terminal.type(command)
        terminal.close()
        assert terminal.alarms == [1, 2]
