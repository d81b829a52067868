"""The viewer's keys: how a replay is paused, hurried, skipped through and left, and the terminal afterwards."""

import os
import pty
import select
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from ecluse.keyboard import Keyboard
from ecluse.playback import RESTORE, Pace, Quit


class Viewer:
    """Presses each key at its second of her own time, which passes only while she is waited for."""

    def __init__(self, *presses: tuple[float, str]) -> None:
        self.now = 0.0
        self._presses = list(presses)

    def clock(self) -> float:
        """Seconds since she sat down."""
        return self.now

    def read(self, seconds: float | None) -> str | None:
        """Wait for her next key, or *seconds*."""
        until = float("inf") if seconds is None else self.now + seconds
        if self._presses and self._presses[0][0] <= until:
            at, key = self._presses.pop(0)
            self.now = max(self.now, at)
            return key
        assert seconds is not None, "paused for ever"
        self.now = until
        return None


def _passed(seconds: float, *presses: tuple[float, str], speed: float = 1.0) -> float:
    viewer = Viewer(*presses)
    Pace(viewer, speed, viewer.clock).wait(seconds)
    return viewer.now


@pytest.mark.parametrize(
    ("presses", "passed"),
    [
        ((), 20.0),
        (((5.0, "x"),), 20.0),
        (((5.0, "+"),), 12.5),
        (((5.0, "-"),), 35.0),
        (((5.0, " "), (105.0, " ")), 120.0),
        (((5.0, "right"),), 10.0),
        (((5.0, "right"), (6.0, "right")), 6.0),
    ],
)
def test_keys_change_how_long_twenty_seconds_take(
    presses: tuple[tuple[float, str], ...], passed: float
) -> None:
    """Faster, slower, paused for a hundred seconds, on by ten: each key does what it says, another does nothing."""
    assert _passed(20.0, *presses) == pytest.approx(passed)


def test_a_skip_reaches_into_the_pauses_that_follow() -> None:
    """Ten seconds skipped are ten seconds of the recording, however many events they hold."""
    viewer = Viewer((1.0, "right"))
    pace = Pace(viewer, 1.0, viewer.clock)
    for _ in range(5):
        pace.wait(4.0)
    assert viewer.now == pytest.approx(10.0)


def test_the_speed_asked_for_is_kept_and_bounded() -> None:
    """``--speed 1000`` is not slowed by ``+``, and ``-`` never stops the recording altogether."""
    assert _passed(1000.0, (0.5, "+"), speed=1000.0) == pytest.approx(1.0)
    viewer = Viewer(*((0.0, "-") for _ in range(9)))
    pace = Pace(viewer, 1.0, viewer.clock)
    pace.wait(1.0)
    assert pace.speed == 0.25


def test_q_leaves() -> None:
    """``q`` ends the replay at once, while it plays and while it is paused."""
    for presses in (((1.0, "q"),), ((1.0, " "), (2.0, "q"))):
        with pytest.raises(Quit):
            _passed(20.0, *presses)


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """A terminal: where its keys are pressed, and its stream."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stream:
        yield master, stream
    os.close(master)


def test_a_terminal_gives_single_keys_and_is_put_back(terminal: tuple[int, TextIO]) -> None:
    """Keys come unechoed, one by one, arrows by name; afterwards the terminal is as it was, keys left over dropped."""
    master, stream = terminal
    before = termios.tcgetattr(stream.fileno())
    with Keyboard(stream) as keys:
        assert termios.tcgetattr(stream.fileno())[3] & (termios.ECHO | termios.ICANON) == 0
        assert termios.tcgetattr(stream.fileno())[3] & termios.ISIG
        os.write(master, b"+")
        assert keys.read(5.0) == "+"
        os.write(master, b"\x1b[C")
        assert keys.read(5.0) == "right"
        os.write(master, b"\xff")
        assert keys.read(5.0) not in ("q", " ", None)
        assert keys.read(0.0) is None
        os.write(master, b"rm -rf /\n")
        assert select.select([stream.fileno()], [], [], 5.0)[0]
    assert termios.tcgetattr(stream.fileno()) == before
    os.set_blocking(stream.fileno(), False)
    with pytest.raises(BlockingIOError):
        os.read(stream.fileno(), 100)


def test_without_a_terminal_no_key_comes() -> None:
    """From a file or a pipe nothing is read: what is in it is meant for somebody else."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as stream, os.fdopen(writing, "w") as typed:
        typed.write("q")
        typed.flush()
        with Keyboard(stream) as keys:
            assert keys.read(0.0) is None
        os.set_blocking(stream.fileno(), False)
        assert os.read(stream.fileno(), 1) == b"q"


@pytest.mark.parametrize(
    "sequence", ["\x1b[0m", "\x1b[?1049l", "\x1b[?25h", "\x1b[r", "\x1b[?7h", "\x1b(B", "\x1b[9999;1H\r\n"]
)
def test_the_end_of_a_replay_undoes_what_a_recording_may_do(sequence: str) -> None:
    """Attributes, alternate screen, cursor, margins, wrapping and line drawing are put back; the prompt comes below."""
    assert sequence in RESTORE
