"""What a balancer says before it passes a client's bytes on: headers of the PROXY protocol, version 2."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from gateway.server.proxy_header import SIGNATURE


def extra(kind: int, value: bytes) -> bytes:
    """Return one extra (type, length, value)."""
    return struct.pack("!BH", kind, len(value)) + value


def proxied(source: str, port: int = 40000, extras: bytes = b"") -> bytes:
    """Return the header of a TCP connection from *source* and *port*, with *extras* behind its addresses."""
    address = ip_address(source)
    there = ip_address("192.0.2.1" if address.version == 4 else "2001:db8::1")
    body = address.packed + there.packed + struct.pack("!HH", port, 22) + extras
    family = 0x11 if address.version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(body)) + body


@asynccontextmanager
async def balancer(port: int, source: str, address: str = "127.0.0.9") -> AsyncIterator[int]:
    """Bring whoever comes to the port that this gives to *port* of this machine, from *address*, as from *source*."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
        far_writer.write(proxied(source))
        await asyncio.gather(_relay(reader, far_writer), _relay(far_reader, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
