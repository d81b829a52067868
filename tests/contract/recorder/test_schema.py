"""The trace database is served with the schema of this version, and with no other."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from recorder.errors import CatalogUnavailable
from recorder.store import database as store
from recorder.store.database import Database, migrate


async def test_a_database_of_this_version_is_served(database: Database) -> None:
    """What ``migrate`` made passes the check."""
    await database.check()


async def test_a_check_leaves_nothing_behind(database: Database) -> None:
    """A gateway asks every few seconds for years: the engine keeps no more statements after the second time."""
    kept = database._engine.sync_engine._compiled_cache
    assert kept is not None
    await database.check()
    before = len(kept)
    await database.check()
    assert len(kept) == before


async def test_bringing_up_to_date_twice_changes_nothing(empty_url: str) -> None:
    """Whoever migrates a database that has been migrated finds it as it was, and it is served."""
    await migrate(empty_url)
    await migrate(empty_url)
    database = Database(empty_url)
    await database.check()
    await database.dispose()


async def test_a_migration_waits_longer_than_a_writer_for_one_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first migrations of a new database take longer on a busy machine than anybody waits to write a row."""
    begin, waits = store._begin_sqlite, set[int]()

    def asked(connection: Connection) -> None:
        waits.add(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())
        begin(connection)

    monkeypatch.setattr(store, "_begin_sqlite", asked)
    await migrate(f"sqlite:///{tmp_path}/traces.sqlite")
    assert waits == {60_000}


async def test_a_database_without_its_schema_is_unavailable(empty_url: str) -> None:
    """A database that was never migrated is not served."""
    database = Database(empty_url)
    with pytest.raises(CatalogUnavailable, match="schema none"):
        await database.check()
    await database.dispose()


async def test_a_schema_of_a_newer_version_is_left_alone(database: Database, database_url: str) -> None:
    """A database that a newer version has migrated is neither touched nor served."""
    async with database.write() as connection:
        await connection.execute(text("UPDATE recorder_version SET version_num = '9999'"))
    with pytest.raises(CatalogUnavailable, match="9999"):
        await migrate(database_url)
    with pytest.raises(CatalogUnavailable, match="9999"):
        await database.check()


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    """Where nothing answers, both the check and the migration say so without a driver's error."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    database = Database(url)
    with pytest.raises(CatalogUnavailable, match="cannot be used"):
        await database.check()
    await database.dispose()
    with pytest.raises(CatalogUnavailable, match="cannot be used"):
        await migrate(url)


async def test_closing_waits_for_the_answers_under_way(database: Database, database_url: str) -> None:
    """An entry that is being written when the database is closed is there afterwards."""
    begun = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            begun.set()
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE recorder_version SET version_num = 'late'"))

    writing = asyncio.create_task(write())
    await begun.wait()
    await database.dispose()
    assert writing.done()
    await writing
    again = Database(database_url)
    async with again.read() as connection:
        assert (await connection.execute(text("SELECT version_num FROM recorder_version"))).scalar() == "late"
    await again.dispose()


@pytest.mark.parametrize("way", [Database.read, Database.write])
async def test_a_server_that_is_gone_fails_as_every_failing_database_does(
    way: Callable[[Database], AbstractAsyncContextManager[object]],
) -> None:
    """Whoever asks catches one kind of error, and goes on when the server is back: none comes from the system below."""
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(SQLAlchemyError):
        async with way(database):
            pass
    await database.dispose()
