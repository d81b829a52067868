"""A way through the lock: two streams, and the bytes that pass between them unread."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from gateway.liveness import keep_alive

CHUNK = 1 << 16
FLUSH_SECONDS = 5.0
"""How long what was written may take to leave once the other side is gone."""

GONE = (OSError, asyncio.IncompleteReadError, ssl.SSLError)
"""What a stream raises when its other end has left."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def keep_alive(self) -> None:
        """Have the system ask now and then whether the other end is still there."""
        keep_alive(self.writer.get_extra_info("socket"))

    def is_of(self, digests: frozenset[bytes]) -> bool:
        """Tell whether the other end has shown one of the certificates with these *digests*."""
        shown: ssl.SSLObject | None = self.writer.get_extra_info("ssl_object")
        certificate = shown.getpeercert(binary_form=True) if shown is not None else None
        return certificate is not None and hashlib.sha256(certificate).digest() in digests

    async def close(self) -> None:
        """Close it when what was written has left, or after FLUSH_SECONDS at once."""
        self.writer.close()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.writer.wait_closed()
        except TimeoutError:
            self.abort()
        except GONE:
            pass

    def abort(self) -> None:
        """Close it now; what was not sent is lost."""
        # Debian 12's Python (3.11.2): TLS that was closed twice is over, and its transport has forgotten what it would abort
        with suppress(AttributeError):
            self.writer.transport.abort()


async def join(
    one: Stream,
    other: Stream,
    heard: "asyncio.Task[bytes] | None" = None,
    said: Callable[[int], None] | None = None,
) -> None:
    """Pass what comes between the two until either end leaves, then close both.

    *heard* is a read of *other* that has begun already; *said* is told how many bytes came from *one*. Neither end can say more after its end of file: TLS has no
    half-closed connections that asyncio would carry, and SSH needs none.
    """
    try:
        lanes = [
            asyncio.create_task(_pass(one, other, said=said)),
            asyncio.create_task(_pass(other, one, heard)),
        ]
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        await asyncio.gather(one.close(), other.close())
    finally:
        one.abort()
        other.abort()


async def _pass(
    source: Stream,
    destination: Stream,
    heard: "asyncio.Task[bytes] | None" = None,
    said: Callable[[int], None] | None = None,
) -> None:
    with suppress(*GONE):
        data = await (heard or source.reader.read(CHUNK))
        while data:
            if said is not None:
                said(len(data))
            destination.writer.write(data)
            await destination.writer.drain()
            data = await source.reader.read(CHUNK)
