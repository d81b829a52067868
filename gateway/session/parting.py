"""How a process on a device learns that its session ends: HUP at once, TERM where that does not end it, then no more."""

import asyncio
from typing import Protocol

HANG_UP_SECONDS = 0.5
"""How long HUP has before TERM comes. Together they are one blow: a shell whose TERM arrives in the half millisecond
before the first command of its HUP trap runs the trap of TERM within that one, and ends without a word of HUP's."""
PROCESS_SECONDS = 1.0
"""How long a process has in all, while the person already reads why, before its channel is closed on it."""


class ProcessChannel(Protocol):
    """A channel with a process at its other end."""

    def send_signal(self, signal: str) -> None:
        """Send the process a signal (RFC 4254 section 6.9)."""

    def write_eof(self) -> None:
        """End its input."""

    def abort(self) -> None:
        """Close the channel, whatever waits in it."""


class Parting:
    """The last second of one process. It is told once, however many reasons there are to end it."""

    def __init__(self, channel: ProcessChannel) -> None:
        """Send HUP on *channel* now, and the end of its input for what takes no signals; must run on the loop."""
        loop = asyncio.get_running_loop()
        self._channel = channel
        channel.send_signal("HUP")
        channel.write_eof()
        self._timers = (
            loop.call_later(HANG_UP_SECONDS, channel.send_signal, "TERM"),
            loop.call_later(PROCESS_SECONDS, channel.abort),
        )

    def over(self) -> None:
        """The channel is gone: nothing more is sent."""
        for timer in self._timers:
            timer.cancel()
