"""A program goes on with a database that a newer version has migrated, until that version takes away what it uses."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from policy.clock import ManualClock
from policy.errors import PolicyUnavailable
from policy.store import database as store
from policy.store.database import Database, migrate, standing
from policy.store.migrations.upgrade import MIGRATIONS
from schema import migrations as running
from schema.contract import Kind
from tests.support.newer_schema import Step, newer
from tests.support.policy_databases import until_waiting

COLUMN = Step(body='op.add_column("hospitals", sa.Column("motto", sa.Text()))')
INDEX = Step(body='create_index("ix_hospitals_timezone", "hospitals", ["timezone"])')
HEAD = MIGRATIONS.head


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of this version, open."""
    await migrate(database_url)
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


async def test_an_older_program_goes_on_and_starts_where_the_newer_only_added(
    database: Database, database_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    """Expanding migrations under an open database: it is still served, writes go on, and another process opens it."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN, INDEX)
    await migrate(database_url, tomorrow)
    await database.check()
    async with database.unit_of_work(None, clock) as work:
        await work.leases.beat("node1", clock.now())
    again = await Database.open(database_url)
    await again.close()
    found = await standing(database_url)
    assert (found.revision, found.pending, found.obstacle) == (tomorrow.head, (), None)
    assert [each.kind for each in found.newer] == [Kind.EXPAND, Kind.EXPAND]
    await migrate(database_url)
    assert (await standing(database_url)).revision == tomorrow.head


async def test_a_program_that_uses_what_went_is_refused_with_the_way_out(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A contracting migration for programs newer than this one: it is refused, names the migration, and what to do."""
    since = f"{int(HEAD) + 1:04}"
    tomorrow = newer(
        MIGRATIONS, tmp_path / "versions", COLUMN, Step(body="pass", kind="contract", unused_since=since)
    )
    await migrate(database_url, tomorrow)
    for attempt in (database.check, lambda: Database.open(database_url), lambda: migrate(database_url)):
        with pytest.raises(
            PolicyUnavailable, match=f"migration {tomorrow.head} took away .* knows {since}, or restore"
        ):
            await attempt()


async def test_a_program_that_had_stopped_using_it_before_it_went_goes_on(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Contracting for programs from before this one: this one is served."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", Step(body="pass", kind="contract", unused_since=HEAD))
    await migrate(database_url, tomorrow)
    await database.check()


async def test_what_a_newer_database_does_not_say_is_no_promise(
    database: Database, database_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    """A newer revision without a word in the history, or with a word unknown here, is not believed to only add."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN)
    await migrate(database_url, tomorrow)
    for damage in (
        "UPDATE policy_migrations SET kind = 'maybe'",
        "DELETE FROM policy_migrations",
        "DROP TABLE policy_migrations",
    ):
        async with database.unit_of_work(None, clock) as work:
            await work.connection.execute(text(damage))
        with pytest.raises(PolicyUnavailable, match=f"schema {tomorrow.head}"):
            await database.check()


async def test_programs_of_two_versions_that_migrate_at_once_leave_the_newer_schema(
    database_url: str, tmp_path: Path
) -> None:
    """Whoever comes second, the older too, finds it done: one schema, every migration in the history once."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN, INDEX)
    known = (MIGRATIONS, tomorrow, MIGRATIONS, tomorrow)
    await asyncio.gather(*(migrate(database_url, each) for each in known))
    found = await standing(database_url, tomorrow)
    assert (found.revision, found.pending) == (tomorrow.head, ())


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_migration_waits_longer_than_a_writer_for_one_that_is_under_way(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first migrations of a new database take longer on a busy machine than anybody waits to write a row."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN)
    under_way = sqlite3.connect(str(make_url(database_url).database), isolation_level=None)
    under_way.execute("BEGIN IMMEDIATE")

    def refused(error: OperationalError) -> bool:
        if under_way.in_transaction:
            under_way.commit()
        return locked(error)

    locked = store._locked
    monkeypatch.setattr(store, "_locked", refused)
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 1)
    await migrate(database_url, tomorrow)
    under_way.close()
    assert (await standing(database_url, tomorrow)).revision == tomorrow.head


async def test_what_is_yet_to_go_keeps_no_program_from_starting(database_url: str, tmp_path: Path) -> None:
    """A new version starts beside the old one, before what only that one uses was taken away; not before its additions."""
    since = f"{int(HEAD) + 1:04}"
    gone = Step(body="pass", kind="contract", unused_since=since)
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN, gone)
    await migrate(database_url)
    assert (await standing(database_url, tomorrow)).obstacle is not None
    await migrate(database_url, tomorrow, since)
    found = await standing(database_url, tomorrow)
    assert ([each.kind for each in found.pending], found.obstacle) == ([Kind.CONTRACT], None)
    needed = newer(
        MIGRATIONS, tmp_path / "other", COLUMN, Step(body="pass", kind="contract", unused_since=tomorrow.head)
    )
    assert (await standing(database_url, needed)).obstacle is not None


async def test_an_older_database_is_not_used(database_url: str) -> None:
    """A program does not start on a database that lacks what it needs, and says how to bring it forward."""
    before, last = MIGRATIONS.all[-2:]
    await migrate(database_url, until=before.revision)
    with pytest.raises(PolicyUnavailable, match=f"schema {before.revision}, .* 'ecluse db migrate'"):
        await Database.open(database_url)
    assert (await standing(database_url)).pending == (last,)


on_postgresql = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
"""Only there do others hold what a migration has to lock: SQLite has one lock for everything."""


@on_postgresql
async def test_a_migration_that_waits_for_a_table_holds_up_nobody(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """While a long transaction reads the table, its migration tries and gives way, and everybody else reads on."""
    tomorrow = newer(MIGRATIONS, tmp_path / "versions", COLUMN)
    async with database.read() as reading:
        await reading.connection.execute(text("SELECT count(*) FROM hospitals"))
        migrating = asyncio.create_task(migrate(database_url, tomorrow))
        for _ in range(3):
            await until_waiting(database)
            async with asyncio.timeout(60), database.read() as other:
                await other.connection.execute(text("SELECT count(*) FROM hospitals"))
        assert not migrating.done()
    await migrating
    assert (await standing(database_url, tomorrow)).revision == tomorrow.head


@on_postgresql
async def test_a_migration_that_finds_no_moment_says_so_and_keeps_what_was_done(
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After its patience: the sentence says where it stands and to run it again; then it goes on from there."""
    tomorrow = newer(
        MIGRATIONS,
        tmp_path / "versions",
        Step(body='op.create_table("badges", sa.Column("id", sa.Text()))'),
        COLUMN,
    )
    monkeypatch.setattr(running, "PATIENCE_SECONDS", 0.0)
    async with database.read() as reading:
        await reading.connection.execute(text("SELECT count(*) FROM hospitals"))
        with pytest.raises(PolicyUnavailable, match=f"is at {int(HEAD) + 1:04}: .* in use .* Run it again"):
            await migrate(database_url, tomorrow)
    await migrate(database_url, tomorrow)
    assert (await standing(database_url, tomorrow)).revision == tomorrow.head


@on_postgresql
async def test_an_index_is_built_while_others_write(
    database: Database, database_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    """A transaction that has written is waited for, and meanwhile others write to the table; the index is then valid."""
    tomorrow = newer(
        MIGRATIONS, tmp_path / "versions", Step(body='create_index("ix_nodes_beat_at", "nodes", ["beat_at"])')
    )
    async with database.unit_of_work(None, clock) as long:
        await long.leases.beat("node1", clock.now())
        migrating = asyncio.create_task(migrate(database_url, tomorrow))
        await until_waiting(database)
        async with asyncio.timeout(60), database.unit_of_work(None, clock) as other:
            await other.leases.beat("node2", clock.now())
        assert not migrating.done()
    await migrating
    async with database.read() as view:
        valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_nodes_beat_at'::regclass")
        assert (await view.connection.execute(valid)).scalar() is True
