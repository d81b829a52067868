"""Leases given back: all that sessions ask for while one transaction is under way travel in the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from policy.domain.sessions import Closing

AT_ONCE: Final = 500
"""How many travel in one transaction: a thousand sessions may end with one window."""


class Closings:
    """Collects closings, and has them written."""

    def __init__(self, write: Callable[[Sequence[Closing]], Awaitable[None]]) -> None:
        """Have them written by *write*, in one transaction a call; whatever it raises, each of its callers is told."""
        self._write = write
        self._waiting: list[tuple[Closing, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, closing: Closing) -> None:
        """Return once *closing* is written. Raises what the writing raised: then it is not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((closing, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            error: Exception | None = None
            try:
                await self._write([closing for closing, _ in batch])
            except Exception as raised:
                error = raised
            for _, done in batch:
                if done.done():  # its caller was cancelled; what is written stands all the same
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
