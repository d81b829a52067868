"""A line between two programs that can be cut between a message and its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Line:
    """Passes bytes on.

    ``deaf_after``: once a connection has carried so many bytes out, nothing comes back any more; once it has carried
    ``breaks_after`` more, it breaks. None: never. While ``answers`` is cleared, what comes back waits; ``heard`` counts the
    bytes that came back, of all connections.
    """

    def __init__(self, port: int) -> None:
        """Lead to *port* of this machine."""
        self._port = port
        self.connections = 0
        self._open: set[asyncio.Task[None]] = set()
        self.deaf_after: int | None = None
        self.breaks_after = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.heard = 0

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection on."""
        self.connections += 1
        leading = asyncio.create_task(self._lead(reader, writer))
        self._open.add(leading)
        leading.add_done_callback(self._open.discard)
        leading.add_done_callback(lambda _: writer.close())

    async def close(self) -> None:
        """End what is left of the connections."""
        for leading in self._open:
            leading.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        out = [0]
        ways = [
            asyncio.create_task(self._out(reader, far_writer, out)),
            asyncio.create_task(self._back(far_reader, writer, out)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: list[int]) -> None:
        while data := await reader.read(1024):
            out[0] += len(data)
            writer.write(data)
            await writer.drain()
            if self.deaf_after is not None and out[0] > self.deaf_after + self.breaks_after:
                return

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: list[int]) -> None:
        while data := await reader.read(1024):
            await self.answers.wait()
            if self.deaf_after is None or out[0] <= self.deaf_after:
                writer.write(data)
                await writer.drain()
                self.heard += len(data)


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[tuple[Line, int]]:
    """Lead to *port* of this machine until the block ends; give the line and the port that it begins at."""
    line = Line(port)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    try:
        yield line, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await line.close()
