"""Whoever asks the database of traces may be gone before the answer: nothing is left of the question."""

import asyncio
import gc
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from recorder.store.database import Database, migrate
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

LONG = text(
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) SELECT max(x) FROM c"
)


async def read(database: Database) -> None:
    """Ask one long question."""
    async with database.read() as connection:
        await connection.execute(LONG)


async def write(database: Database) -> None:
    """Ask one long question under the write lock."""
    async with database.write() as connection:
        await connection.execute(LONG)


def threads() -> int:
    """Count the threads that serve a connection to SQLite."""
    return sum("_connection_worker_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("ask", [read, write])
async def test_a_question_given_up_leaves_nothing(
    tmp_path: Path, ask: Callable[[Database], Awaitable[None]]
) -> None:
    """Cancelled at any moment, and again while it is cleared away: no connection, thread, lock or task is left."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    before = threads()
    url = f"sqlite:///{tmp_path}/traces.sqlite"
    await migrate(url)
    database = Database(url)
    moments = random.Random(7)
    given_up = 0
    try:
        for _ in range(25):
            asked = [asyncio.ensure_future(ask(database)) for _ in range(3)]
            # Nothing is waited for: the moment is what varies.
            await asyncio.sleep(moments.random() * 0.01)
            for _ in range(2):
                for one in asked:
                    one.cancel()
                await asyncio.sleep(0)
            async with asyncio.timeout(10):
                for ended in await asyncio.gather(*asked, return_exceptions=True):
                    given_up += isinstance(ended, asyncio.CancelledError)
        assert given_up > 25
        async with asyncio.timeout(5):
            await write(database)
    finally:
        await database.dispose()
    await eventually(lambda: threads() <= before)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
