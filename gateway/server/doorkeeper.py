"""Who stands before the door: SSH begins with whoever has said its version line, if there is room for her.

An SSH connection costs ten times what waiting here costs. Thousands of strangers who say nothing, or a byte now and
then, would otherwise take the places of those who want to log in, and hold up those inside.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import structlog
from typing_extensions import override

from gateway.server.turnstile import Turnstile
from gateway.sshfix import ServerConnection
from policy.domain.posts import post_of

VERSION = "Ecluse"
GREETING = f"SSH-2.0-{VERSION}\r\n".encode()
GREETING_SECONDS = 10.0
"""How long a client may take for its own line. All say it at once, or when they have read ours."""
LONGEST_LINE = 255
"""RFC 4253 section 4.2. What follows the line in the same packet is not counted."""
PLACES = 1000
"""How many may stand here at most. Each is a file of this process."""

_log = structlog.get_logger()


class Porch:
    """Those who have not said their version line, or wait until SSH begins with them."""

    def __init__(
        self,
        has_room: Callable[[str], bool],
        make: Callable[[], ServerConnection],
        turnstile: Turnstile,
        *,
        places: int,
        places_a_source: int,
        grace_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        """Ask *has_room* about the source address of whoever has greeted; *make* her SSH connection where it says yes.

        *grace_seconds* is what a log-in may take in all.
        """
        self.has_room = has_room
        self.make = make
        self.turnstile = turnstile
        self._places = places
        self._places_a_source = places_a_source
        self._patience = min(GREETING_SECONDS, grace_seconds)
        self._monotonic = monotonic
        self._standing: dict[Doorkeeper, float] = {}  # the longest first
        self._sources: dict[str, dict[Doorkeeper, None]] = {}
        self._closed = False
        self._sent_away = 0

    def came(self, keeper: "Doorkeeper") -> None:
        """Give *keeper* a place; where all are taken, who has stood longest of the same or the largest crowd leaves."""
        if self._closed:
            keeper.send_away()
            return
        same = self._sources.get(keeper.origin, {})
        if len(same) >= self._places_a_source:
            self._send_away(next(iter(same)))
        elif len(self._standing) >= self._places:
            largest = max(self._sources.values(), key=len)
            self._send_away(next(iter(largest)))
        self._standing[keeper] = self._monotonic()
        self._sources.setdefault(keeper.origin, {})[keeper] = None

    def went(self, keeper: "Doorkeeper") -> None:
        """Forget *keeper*: SSH begins, or it is gone."""
        self.turnstile.forget(keeper.origin, keeper)
        self._standing.pop(keeper, None)
        same = self._sources.get(keeper.origin)
        if same is not None:
            same.pop(keeper, None)
            if not same:
                del self._sources[keeper.origin]

    def sweep(self) -> None:
        """Send away those who have been here for too long; log how many were since the last time."""
        late = self._monotonic() - self._patience
        while self._standing:
            keeper, since = next(iter(self._standing.items()))
            if since > late:
                break
            self._send_away(keeper)
        if self._sent_away:
            _log.warning("connections.not_begun", count=self._sent_away, waiting=len(self._standing))
            self._sent_away = 0

    def close(self) -> None:
        """Send everybody away, and whoever comes."""
        self._closed = True
        for keeper in list(self._standing):
            self._send_away(keeper)

    def _send_away(self, keeper: "Doorkeeper") -> None:
        self._sent_away += 1
        self.went(keeper)
        keeper.send_away()


class Doorkeeper(asyncio.Protocol):
    """Takes a connection just accepted, says our version line, and hands it to SSH when it has heard the other's."""

    def __init__(self, porch: Porch) -> None:
        """Wait on *porch*."""
        self._porch = porch
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self.origin = ""
        self._source = ""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = cast(asyncio.Transport, transport)
        peer = stream.get_extra_info("peername") or ("",)
        self._source = str(peer[0])
        self.origin = post_of(self._source)
        stream.write(GREETING)
        self._porch.came(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._transport is None or self._transport.is_closing():
            return
        if b"\n" in self._heard[: LONGEST_LINE + 1]:
            self._transport.pause_reading()
            self._porch.turnstile.begin(self.origin, self, self._begin)
        elif len(self._heard) > LONGEST_LINE:
            self._porch.went(self)
            self.send_away()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._porch.went(self)

    def send_away(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> None:
        stream = self._transport
        if stream is None or stream.is_closing():
            return
        self._porch.went(self)
        if not self._porch.has_room(self._source):
            self.send_away()
            return
        connection = self._porch.make()
        stream.set_protocol(connection)
        connection.connection_made(stream)
        connection.data_received(self._heard)  # goes on reading
