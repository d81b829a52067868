"""A connection that does not log in, made byte by byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HELLO = b"SSH-2.0-newcomer\r\n"
SECONDS = 60.0


class Newcomer:
    """One of them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def let_in(self) -> bool:
        """Tell whether SSH began: whether its first packet (SSH_MSG_KEXINIT) came, and not the end instead."""
        async with asyncio.timeout(SECONDS):
            try:
                await self.reader.readuntil(b"\r\n")
                await self.reader.readexactly(6)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return False
            return True

    async def sent_away(self) -> bytes:
        """Wait until the other side closes; returns what it said before."""
        heard = b""
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(ConnectionResetError):
                while piece := await self.reader.read(4096):
                    heard += piece
        return heard


@asynccontextmanager
async def newcomer(port: int, source: str = "127.0.0.1", said: bytes = HELLO) -> AsyncIterator[Newcomer]:
    """Connect from *source* to *port* and say *said*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(said)
    try:
        yield Newcomer(reader, writer)
    finally:
        writer.close()
