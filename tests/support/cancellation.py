"""Questions to SQLite that are given up at any moment, and what may be left of them: nothing."""

import asyncio
import gc
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from sqlalchemy import text

from tests.support.waiting import eventually

D = TypeVar("D")
LONG = text(
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) SELECT max(x) FROM c"
)
"""One long question."""


def threads() -> int:
    """Count the threads that serve a connection to SQLite."""
    return sum("_connection_worker_thread" in thread.name for thread in threading.enumerate())


async def give_up(
    opening: AbstractAsyncContextManager[D],
    ask: Callable[[D], Awaitable[None]],
    write: Callable[[D], Awaitable[None]],
) -> None:
    """Cancel *ask* at many moments, twice each; then *write* must have its lock, and nothing be left once closed.

    *opening* opens the database when it is entered and closes it when it is left.
    """
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    before = threads()
    async with opening as database:
        moments = random.Random(7)
        for _ in range(2):
            # The second time the connection is there: so long takes one on this machine, today.
            begun = loop.time()
            await ask(database)
        takes = loop.time() - begun
        given_up = 0
        for _ in range(25):
            asked = [asyncio.ensure_future(ask(database)) for _ in range(3)]
            # Nothing is waited for: the moment is what varies.
            await asyncio.sleep(moments.random() * takes)
            for _ in range(2):
                for one in asked:
                    one.cancel()
                await asyncio.sleep(0)
            async with asyncio.timeout(60):
                for ended in await asyncio.gather(*asked, return_exceptions=True):
                    given_up += isinstance(ended, asyncio.CancelledError)
        assert given_up > 25, given_up
        async with asyncio.timeout(60):
            await write(database)
    await eventually(lambda: threads() <= before)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == [], complaints
