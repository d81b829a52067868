"""Who has a question at an engine: it is disposed of once nobody has.

A connection that is out when its pool goes is closed by nobody: it comes back to a pool that is no more.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Users:
    """Counts the questions under way. Belongs to one event loop from the first wait on."""

    def __init__(self) -> None:
        """Begin with none."""
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Be one of them until the block ends."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def left(self, seconds: float) -> None:
        """Return once there is none, or after that many *seconds*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()
