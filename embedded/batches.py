"""Writes that travel together: all that are asked for while one transaction is under way are in the next one.

SQLite has one writer, and a thousand sessions may end with one window: each with a transaction of its own, the last would
wait for a thousand.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

AT_ONCE: Final = 500
"""How many travel in one transaction."""

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """Collects items, and has them written."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]]) -> None:
        """Have them written by *write*, in one transaction a call; whatever it raises, each of its callers is told."""
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Return once *item* is written. Raises what the writing raised: then it is not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            error: Exception | None = None
            try:
                await self._write([item for item, _ in batch])
            except Exception as raised:
                error = raised
            for _, done in batch:
                if done.done():  # its caller was cancelled; what is written stands all the same
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
