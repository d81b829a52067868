"""A line between two programs that can be cut between a message and its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Line:
    """Passes bytes on.

    ``deaf_after``: once a connection has carried so many bytes out, nothing comes back any more; once it has carried
    ``breaks_after`` more, it breaks. None: never.
    """

    def __init__(self, port: int) -> None:
        """Lead to *port* of this machine."""
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.deaf_after: int | None = None
        self.breaks_after = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection on."""
        self.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        out = [0]
        ways = [
            asyncio.create_task(self._out(reader, far_writer, out)),
            asyncio.create_task(self._back(far_reader, writer, out)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for one in (writer, far_writer):
            one.close()
            with suppress(OSError):
                await one.wait_closed()

    async def _out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: list[int]) -> None:
        while data := await reader.read(1024):
            out[0] += len(data)
            writer.write(data)
            await writer.drain()
            if self.deaf_after is not None and out[0] > self.deaf_after + self.breaks_after:
                return

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: list[int]) -> None:
        while data := await reader.read(1024):
            if self.deaf_after is None or out[0] <= self.deaf_after:
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[tuple[Line, int]]:
    """Lead to *port* of this machine until the block ends; give the line and the port that it begins at."""
    line = Line(port)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    try:
        yield line, server.sockets[0].getsockname()[1]
    finally:
        server.close()
