"""Invariant 12's first half: when policy cannot be read, the answer is PolicyUnavailable, soon, and never a grant."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from policy.clock import ManualClock
from policy.domain.access import Grant
from policy.errors import PolicyUnavailable
from tests.support import postgres
from tests.support.policy_world import World, make_world

pytestmark = pytest.mark.integration


@pytest.fixture
def own_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL that this test may stop and pause."""
    server = postgres.start()
    yield server
    server.stop()


@pytest.mark.postgres
async def test_a_database_that_stands_still_is_given_up_after_two_seconds(
    own_server: postgres.Postgres, clock: ManualClock
) -> None:
    """A paused server: each question is answered PolicyUnavailable in about two seconds, and a grant once it goes on."""
    world = await make_world(own_server.url(own_server.create()), clock)
    try:
        grant = await world.grant()
        own_server.pause()
        began = time.monotonic()
        for question in (
            world.services.access.decide(world.request()),
            world.services.access.recheck([grant]),
            world.services.access.session_opened(grant, "gw1"),
        ):
            with pytest.raises(PolicyUnavailable):
                await question
        assert time.monotonic() - began < 14  # by its driver's own patience it would take minutes
        own_server.go_on()
        assert isinstance(await world.services.access.decide(world.request()), Grant)
    finally:
        own_server.go_on()
        await world.close()


@pytest.mark.postgres
async def test_a_database_that_is_gone_is_unavailable(
    own_server: postgres.Postgres, clock: ManualClock
) -> None:
    """A server that was stopped refuses every question with PolicyUnavailable, not with its driver's error."""
    world = await make_world(own_server.url(own_server.create()), clock)
    try:
        own_server.stop()
        for _ in range(3):
            with pytest.raises(PolicyUnavailable):
                await world.services.access.decide(world.request())
            with pytest.raises(PolicyUnavailable):
                await world.services.suppliers.list(world.who("dsi"), world.id)
    finally:
        await world.close()


@pytest.mark.alone
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_another_process_that_writes_keeps_writers_waiting_and_readers_not(
    world: World, copied_url: str
) -> None:
    """While another process holds SQLite's write lock, decisions are made; an opening gives up after two seconds."""
    path = make_url(copied_url).database
    assert path is not None
    grant = await world.grant()
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        assert isinstance(await world.services.access.decide(world.request()), Grant)
        began = time.monotonic()
        with pytest.raises(PolicyUnavailable):
            await world.services.access.session_opened(grant, "gw1")
        assert time.monotonic() - began < 5  # SQLite's own patience
        waiting = asyncio.create_task(world.services.access.heartbeat("gw1"))
        await asyncio.sleep(0)
        holder.execute("ROLLBACK")
        await waiting
        await world.services.access.session_opened(grant, "gw1")
    finally:
        holder.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_damaged_database_is_unavailable(world: World, copied_url: str) -> None:
    """A table that is gone is PolicyUnavailable, whose message shows no statement and no value."""
    path = make_url(copied_url).database
    assert path is not None
    with sqlite3.connect(path) as vandal:
        vandal.execute("ALTER TABLE windows RENAME TO broken")
    vandal.close()
    with pytest.raises(PolicyUnavailable) as failure:
        await world.services.access.decide(world.request())
    assert "SELECT" not in str(failure.value)
    assert "windows" not in str(failure.value)


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_sqlite_is_set_up_to_survive(world: World) -> None:
    """WAL, a full flush at each commit, and foreign keys, on every connection of the pool."""
    async with world.services.database.read() as view:
        for pragma, wanted in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 5000),
        ):
            assert (await view.connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == wanted
