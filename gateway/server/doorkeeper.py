"""Who stands before the door: SSH begins with whoever has said its version line, if there is room for her.

An SSH connection costs ten times what waiting here costs. Thousands of strangers who say nothing, or a byte now and
then, would otherwise take the places of those who want to log in, and hold up those inside.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import cast

import structlog
from typing_extensions import override

from gateway.server import proxy_header
from gateway.server.proxy_header import BadHeader, Network
from gateway.server.turnstile import Turnstile
from gateway.sshfix import ServerConnection
from policy.domain.posts import post_of

VERSION = "Ecluse"
GREETING = f"SSH-2.0-{VERSION}\r\n".encode()
GREETING_SECONDS = 10.0
"""How long a client may take for its own line. All say it at once, or when they have read ours."""
HEADER_SECONDS = 3.0
"""How long a balancer may take for its header, which it sends before anything else."""
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
        balancers: Sequence[Network] = (),
        places: int,
        places_a_source: int,
        grace_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        """Ask *has_room* about the source address of whoever has greeted; *make* her SSH connection where it says yes.

        *grace_seconds* is what a log-in may take in all. Who comes from one of *balancers* is believed when she says
        from where she brings a client, and has to say it.
        """
        self.has_room = has_room
        self.make = make
        self.turnstile = turnstile
        self._balancers = balancers
        self._places = places
        self._places_a_source = places_a_source
        self._patience = min(GREETING_SECONDS, grace_seconds)
        self._monotonic = monotonic
        self._standing: dict[Doorkeeper, float] = {}  # until when; who came first is first
        self._sources: dict[str, dict[Doorkeeper, None]] = {}
        self._closed = False
        self._sent_away = 0
        self._unbelieved: Counter[str] = Counter()

    def is_balancer(self, address: str) -> bool:
        """Tell whether who comes from *address* brings others, and says whom."""
        return proxy_header.is_listed(address, self._balancers)

    @property
    def crowded(self) -> bool:
        """Whether anybody stands here."""
        return bool(self._standing)

    def came(self, keeper: "Doorkeeper") -> None:
        """Give *keeper* a place; where all are taken, who has stood longest of the same or the largest crowd leaves.

        One who has not said yet from where she comes counts among those of her balancer, as many as there are places;
        what a balancer opened for itself counts among its own, as many as one source may have.
        """
        if self._closed:
            keeper.send_away()
            return
        same = self._sources.get(keeper.origin, {})
        if len(same) >= self._places_a_source and not keeper.awaits_header:
            self._send_away(next(iter(same)))
        elif len(self._standing) >= self._places:
            largest = max(self._sources.values(), key=len)
            self._send_away(next(iter(largest)))
        patience = min(HEADER_SECONDS, self._patience) if keeper.awaits_header else self._patience
        self._standing[keeper] = self._monotonic() + patience
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
        now = self._monotonic()
        for keeper in [each for each, until in self._standing.items() if until <= now]:
            if keeper.awaits_header:
                self.refuse(keeper, "late")
            else:
                self._send_away(keeper)
        if self._unbelieved:
            _log.warning("connections.proxy_header_refused", **self._unbelieved)
            self._unbelieved.clear()
        if self._sent_away:
            _log.warning("connections.not_begun", count=self._sent_away, waiting=len(self._standing))
            self._sent_away = 0

    def refuse(self, keeper: "Doorkeeper", why: str) -> None:
        """Send *keeper* away, whose balancer's header is not believed for the reason *why*, a word."""
        self._unbelieved[why] += 1
        self.went(keeper)
        keeper.send_away()

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
    """Takes a connection just accepted, says our version line, and hands it to SSH when it has heard the other's.

    One from a balancer begins with the header that says whom it brings: nothing is said before it is believed, and the
    address in it is the client's from then on. What a balancer opens for itself, to see whether the gateway lives, is
    greeted and never let in.
    """

    def __init__(self, porch: Porch) -> None:
        """Wait on *porch*."""
        self._porch = porch
        self._heard = b""
        self._transport: asyncio.Transport | None = None
        self.origin = ""
        self.awaits_header = False
        self._source = ""
        self._client: tuple[str, int] | None = None
        self._is_check = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = cast(asyncio.Transport, transport)
        peer = stream.get_extra_info("peername") or ("",)
        self._source = str(peer[0])
        self.awaits_header = self._porch.is_balancer(self._source)
        if self.awaits_header:
            self.origin = f"balancer {self._source}"
        else:
            self.origin = post_of(self._source)
            stream.write(GREETING)
        self._porch.came(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._transport is None or self._transport.is_closing():
            return
        if self.awaits_header and not self._believe(self._transport):
            return
        if self._is_check:
            if self._heard:
                self._porch.refuse(self, "local_spoke")
        elif b"\n" in self._heard[: LONGEST_LINE + 1]:
            self._transport.pause_reading()
            self._porch.turnstile.begin(self.origin, self, self._begin)
        elif len(self._heard) > LONGEST_LINE:
            self._porch.went(self)
            self.send_away()

    def _believe(self, stream: asyncio.Transport) -> bool:
        """Read the header; tell whether it is whole and whoever it brings has a place."""
        try:
            header = proxy_header.read(self._heard)
        except BadHeader as bad:
            self._porch.refuse(self, str(bad))
            return False
        if header is None:
            return False
        self._porch.went(self)
        self._heard = self._heard[header.length :]
        self.awaits_header = False
        if header.source is None:
            self._is_check = True
            self.origin = (
                f"check of {self._source}"  # a crowd of its own: it takes no place from a client on her way
            )
        else:
            self._source, self._client = header.source, (header.source, header.port)
            self.origin = post_of(self._source)
        self._porch.came(self)
        if stream.is_closing():
            return False
        stream.write(GREETING)
        return True

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
        if self._client is not None:
            connection.comes_from(*self._client)
        stream.set_protocol(connection)
        connection.connection_made(stream)
        connection.data_received(self._heard)  # goes on reading
