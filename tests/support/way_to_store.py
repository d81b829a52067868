"""The way to a real S3 server, which can be cut, fall silent, answer nonsense, forbid, or become narrow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

_ANSWER = "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}"
_CHUNK = 16 << 10
_PAUSE = 0.05


class Way(Enum):
    """What becomes of a request."""

    OPEN = "open"
    DOWN = "down"
    HANGING = "hanging"
    FAILING = "500"
    FORBIDDEN = "403"
    NARROW = "narrow"


class WayToStore:
    """A relay on a port of its own.

    Attributes:
        port: Where it listens.
        lost: How many connections are still to be closed on their first request, without an answer.
    """

    def __init__(self, target: int) -> None:
        """Lead to *target*, a port of this machine."""
        self._target = target
        self._way = Way.OPEN
        self.lost = 0
        self._server: asyncio.Server | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def endpoint(self) -> str:
        """Where clients come."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def lead(self, way: Way) -> None:
        """Lead requests that *way* from now on; connections are broken, but where it leads there as before, narrow or not."""
        leads = {self._way, way} <= {Way.OPEN, Way.NARROW}
        self._way = way
        if self._server is not None and way is Way.DOWN:
            self._server.close()
            self._server = None
        elif self._server is None and way is not Way.DOWN:
            await self.open()
        if leads:
            return
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def close(self) -> None:
        """Listen no more."""
        await self.lead(Way.DOWN)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self._way:
            case Way.HANGING:
                await asyncio.Event().wait()
            case Way.FAILING:
                await _answer(reader, writer, "500 Internal Server Error", "InternalError")
            case Way.FORBIDDEN:
                await _answer(reader, writer, "403 Forbidden", "AccessDenied")
            case _:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
                try:
                    there = asyncio.create_task(self._relay(reader, inner_writer, narrow=True))
                    back = asyncio.create_task(self._relay(inner_reader, writer, narrow=False))
                    try:
                        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        there.cancel()
                        back.cancel()
                finally:
                    inner_writer.close()

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, narrow: bool
    ) -> None:
        """Relay one direction, which a narrow way holds up where it is the *narrow* one."""
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK if narrow else 1 << 20):
                if narrow and self.lost:
                    self.lost -= 1
                    return
                writer.write(data)
                await writer.drain()
                if narrow and self._way is Way.NARROW:
                    await asyncio.sleep(_PAUSE)  # so many bytes a second, and no more


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str, code: str) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"100-continue" not in head.lower():
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    writer.write(_ANSWER.format(status=status, size=len(body), body=body).encode())
    await writer.drain()


@asynccontextmanager
async def way_to(target: int) -> AsyncIterator[WayToStore]:
    """Lead to *target* until the end of the block."""
    made = WayToStore(target)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
