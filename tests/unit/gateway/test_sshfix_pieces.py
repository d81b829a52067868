"""Small pieces: what a process writes byte by byte is gathered, in order, each stream apart."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from asyncssh import EXTENDED_DATA_STDERR
from asyncssh.channel import SSHChannel
from asyncssh.logging import logger

from gateway.sshfix.channels import JOINED_BYTES, _HonestWindow
from recorder.trace.frames import MAX_PAYLOAD

WINDOW = 128 * 1024


class Wire:
    """As much of a connection as a receiving channel asks for."""

    logger = logger

    def add_channel(self, _channel: object) -> int:
        """Number it."""
        return 0

    def send_packet(self, _kind: int, *_parts: bytes, handler: object = None) -> None:
        """Send nowhere."""


class Loop:
    """Keeps what is to be called at the end of the turn."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        """Keep it."""
        self.later.append(call)

    def create_task(self, work: Any) -> None:
        """Run nothing."""
        work.close()

    def turn(self) -> None:
        """End the turn."""
        later, self.later = self.later, []
        for call in later:
            call()


class Listener:
    """Keeps what it is given; pauses after each piece where told to."""

    def __init__(self, channel: SSHChannel[bytes]) -> None:
        self.channel = channel
        self.heard: list[tuple[bytes, int | None]] = []
        self.pauses = False

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Keep it."""
        self.heard.append((data, datatype))
        if self.pauses:
            self.channel.pause_reading()


@pytest.fixture
def opened() -> tuple[Any, Loop, Listener]:
    """An open channel, the loop it calls back by, and who listens."""
    loop = Loop()
    channel: Any = _HonestWindow(
        cast(Any, Wire()), cast(Any, loop), encoding=None, errors="strict", window=WINDOW, max_pktsize=32768
    )
    channel._send_state = channel._recv_state = "open"
    channel._recv_paused = False
    listener = Listener(channel)
    channel._session = listener
    return channel, loop, listener


def test_a_lone_piece_passes_at_once(opened: tuple[Any, Loop, Listener]) -> None:
    """A keystroke waits for nothing."""
    channel, _loop, listener = opened
    channel._accept_data(b"l")
    assert listener.heard == [(b"l", None)]


def test_what_comes_in_the_same_turn_passes_together(opened: tuple[Any, Loop, Listener]) -> None:
    """Of a thousand small pieces read at once the first passes, and the others as one, in order."""
    channel, loop, listener = opened
    for number in range(1000):
        channel._accept_data(b"%d\n" % number)
    loop.turn()
    assert len(listener.heard) == 2
    assert b"".join(data for data, _ in listener.heard) == b"".join(b"%d\n" % n for n in range(1000))


def test_the_two_streams_are_never_mixed(opened: tuple[Any, Loop, Listener]) -> None:
    """Output and error output keep their order and stay apart."""
    channel, loop, listener = opened
    for data, datatype in [
        (b"a", None),
        (b"b", None),
        (b"c", None),
        (b"X", EXTENDED_DATA_STDERR),
        (b"d", None),
    ]:
        channel._accept_data(data, datatype)
    loop.turn()
    assert listener.heard == [(b"a", None), (b"bc", None), (b"X", EXTENDED_DATA_STDERR), (b"d", None)]


def test_joined_pieces_are_bounded(opened: tuple[Any, Loop, Listener]) -> None:
    """No more is joined than a frame of the trace can well hold, however much waits."""
    channel, loop, listener = opened
    channel._recv_window = 600_000
    for _ in range(600):
        channel._accept_data(b"x" * 1000)
    loop.turn()
    assert JOINED_BYTES - 1000 < max(len(data) for data, _ in listener.heard) <= JOINED_BYTES < MAX_PAYLOAD
    assert sum(len(data) for data, _ in listener.heard) == 600_000


def test_a_held_reader_is_given_no_more(opened: tuple[Any, Loop, Listener]) -> None:
    """A reader that pauses gets nothing at the turn's end; what waits is counted, and comes when it resumes."""
    channel, loop, listener = opened
    listener.pauses = True
    for _ in range(10):
        channel._accept_data(b"x" * 10)
    loop.turn()
    assert len(listener.heard) == 1
    assert channel._pieces.size == 90
    channel.resume_reading()
    assert (len(listener.heard), channel._pieces.size) == (2, 0)


def test_what_is_discarded_counts_no_more(opened: tuple[Any, Loop, Listener]) -> None:
    """A channel that is closed drops what waits, and takes no more."""
    channel, loop, listener = opened
    channel._accept_data(b"first")
    channel._accept_data(b"second")
    channel._discard_recv()
    channel._send_state = "closed"
    channel._accept_data(b"third")
    loop.turn()
    assert [data for data, _ in listener.heard] == [b"first"]
    assert channel._pieces.size == 0
