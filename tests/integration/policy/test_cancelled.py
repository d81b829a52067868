"""Whoever asks policy may be gone before the answer: nothing is left of the question."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from policy.clock import SystemClock
from policy.store.database import Database
from tests.support.cancellation import LONG, give_up

pytestmark = pytest.mark.integration


async def read(database: Database) -> None:
    """Ask one long question."""
    async with database.read() as view:
        await view.connection.execute(LONG)


async def write(database: Database) -> None:
    """Ask one long question under the write lock."""
    async with database.unit_of_work(None, SystemClock()) as work:
        await work.connection.execute(LONG)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A new policy database."""
    database = await Database.open(url, migrate=True)
    try:
        yield database
    finally:
        await database.close()


@pytest.mark.parametrize("ask", [read, write])
async def test_a_question_given_up_leaves_nothing(
    tmp_path: Path, ask: Callable[[Database], Awaitable[None]]
) -> None:
    """Cancelled at any moment, and again while it is cleared away: no connection, thread, lock or task is left."""
    await give_up(opened(f"sqlite:///{tmp_path}/policy.sqlite"), ask, write)
