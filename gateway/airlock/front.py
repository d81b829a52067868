"""The front: before the hospital's network, between technicians and the relays that dial out to it."""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from gateway.airlock.settings import FrontSettings
from gateway.airlock.way import CHUNK, GONE, Stream, join
from gateway.server import proxy_header
from policy.domain.posts import post_of

HANDSHAKE_SECONDS = 5.0
BACKLOG = 1024
BEGUN_BYTES = 1024
"""Who has said so much has sent her version and the algorithms that she knows: the gateway judges her then."""

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A relay's connection that nobody uses yet. What it says first, ``heard``, is the gateway's first word."""

    stream: Stream
    heard: "asyncio.Task[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.heard = asyncio.create_task(self._hear())

    async def _hear(self) -> bytes:
        try:
            return await self.stream.reader.read(CHUNK)
        except GONE:
            return b""


@dataclass(slots=True, eq=False)
class _Client:
    """Who came, in which task, when by the loop's clock, and how much she said."""

    stream: Stream
    source: str
    task: "asyncio.Task[Any] | None"
    came_at: float
    said: int = 0
    inside: bool = True


class Front:
    """One front. ``start``, then ``drain``."""

    def __init__(self, settings: FrontSettings) -> None:
        """Listen by *settings*, once started."""
        self._settings = settings
        self._servers: list[asyncio.Server] = []
        self._waiting: deque[_Waiting] = deque()
        self._asked: deque[asyncio.Future[_Waiting]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: Counter[str] = Counter()
        self._silent: dict[_Client, None] = {}  # who has not begun to speak; who came first is first
        self._refused = 0
        self._sent_away = 0

    @property
    def port(self) -> int:
        """The port that clients come to; raises IndexError before the start."""
        return int(self._servers[0].sockets[0].getsockname()[1])

    @property
    def relay_port(self) -> int:
        """The port that relays dial; raises IndexError before the start."""
        return int(self._servers[-1].sockets[0].getsockname()[1])

    @property
    def clients(self) -> int:
        """How many clients are inside."""
        return self._clients.total()

    @property
    def waiting(self) -> int:
        """How many connections of relays are ready."""
        return len(self._waiting)

    async def start(self, listening: Sequence[socket.socket] = ()) -> None:
        """Listen for relays and clients, for the latter on the *listening* sockets where there are any. Raises OSError."""
        told = self._settings
        relays = await asyncio.start_server(
            self._relay,
            told.relay_host,
            told.relay_port,
            ssl=told.tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        try:
            if listening:
                for one in listening:
                    self._servers.append(await asyncio.start_server(self._client, sock=one, backlog=BACKLOG))
            else:
                self._servers.append(
                    await asyncio.start_server(self._client, told.host, told.port, backlog=BACKLOG)
                )
        except OSError:
            relays.close()
            raise
        self._servers.append(relays)

    async def drain(self) -> None:
        """Take nobody in any more, wait for those inside as long as the settings say, then close everything."""
        for server in self._servers:
            server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self._waiting:
            each.heard.cancel()
            each.stream.abort()
        self._waiting.clear()

    # ── relays ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream(reader, writer)
        if not stream.is_of(self._settings.relays):
            _log.warning("airlock.stranger", source=_address(stream)[0])
            stream.abort()
            return
        if len(self._waiting) >= self._settings.waiting:
            stream.abort()
            return
        stream.keep_alive()
        made = _Waiting(stream)
        while self._asked:
            wish = self._asked.popleft()
            if not wish.done():
                wish.set_result(made)
                return
        self._waiting.append(made)
        made.heard.add_done_callback(lambda _: self._left(made))

    def _left(self, one: _Waiting) -> None:
        """Forget a connection that ended, or spoke before it was spoken to, while it waited."""
        if one in self._waiting:
            self._waiting.remove(one)
            one.stream.abort()

    # ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream(reader, writer)
        task, now = asyncio.current_task(), asyncio.get_running_loop().time()
        client = _Client(stream, post_of(_address(stream)[0]), task, now)
        if not self._has_room(client):
            self._refused = _told("airlock.full", self._refused, clients=self.clients)
            stream.abort()
            return
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._clients[client.source] += 1
        self._silent[client] = None
        try:
            await self._bring(client)
        finally:
            self._left_by(client)
            stream.abort()

    def _has_room(self, client: _Client) -> bool:
        """Tell whether *client* may come in: where there is no place, who has been silent longest leaves hers.

        Of the same source where that one has too many, else of the source that has most places.
        """
        told = self._settings
        own = self._clients[client.source] >= told.clients_per_source
        if not own and self.clients < told.clients:
            return True
        late = client.came_at - told.silent_seconds
        leaving = [
            one for one in self._silent if one.came_at <= late and (not own or one.source == client.source)
        ]
        if not leaving:
            return False
        other = max(leaving, key=lambda one: self._clients[one.source])  # of equals the first, who came first
        self._sent_away = _told("airlock.silent_sent_away", self._sent_away, clients=self.clients)
        self._left_by(other)
        if other.task is not None:
            other.task.cancel()
        return True

    def _left_by(self, client: _Client) -> None:
        """Give back the place of *client*, once."""
        self._silent.pop(client, None)
        if not client.inside:
            return
        client.inside = False
        self._clients[client.source] -= 1
        if not self._clients[client.source]:
            del self._clients[client.source]

    async def _bring(self, client: _Client) -> None:
        stream = client.stream
        stream.keep_alive()
        way = await self._way()
        if way is None:
            _log.warning("airlock.no_relay", source=_address(stream)[0])
            return

        def said(size: int) -> None:
            client.said += size
            if client.said >= BEGUN_BYTES:
                self._silent.pop(client, None)

        there, here = _address(stream), stream.writer.get_extra_info("sockname")[:2]
        try:
            way.stream.writer.write(proxy_header.write(there, here))
            await join(stream, way.stream, way.heard, said)
        finally:
            way.heard.cancel()
            way.stream.abort()

    async def _way(self) -> _Waiting | None:
        """Take the connection that has waited longest, or the next that comes; None after the settings' patience."""
        if self._waiting:
            return self._waiting.popleft()
        wish: asyncio.Future[_Waiting] = asyncio.get_running_loop().create_future()
        self._asked.append(wish)
        try:
            async with asyncio.timeout(self._settings.patience_seconds):
                return await wish
        except TimeoutError:
            # one may have come in the same turn of the loop
            return wish.result() if wish.done() and not wish.cancelled() else None
        except asyncio.CancelledError:
            if wish.done() and not wish.cancelled():
                wish.result().heard.cancel()
                wish.result().stream.abort()
            raise
        finally:
            if wish in self._asked:
                self._asked.remove(wish)


def _address(stream: Stream) -> tuple[str, int]:
    """Return where the other end is: an IP literal, and a port."""
    host, port = stream.writer.get_extra_info("peername")[:2]
    return str(host), int(port)


def _told(event: str, before: int, **facts: int) -> int:
    """Count one more, and log the first, the second, the fourth and so on."""
    count = before + 1
    if count.bit_count() == 1:
        _log.warning(event, count=count, **facts)
    return count
