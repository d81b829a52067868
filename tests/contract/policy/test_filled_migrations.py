"""A database that an older version filled is brought up with all its rows, and serves as before."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, func, insert, inspect, select, text

from embedded.sqlite import Connections
from policy.clock import ManualClock
from policy.domain.attempts import AttemptOutcome
from policy.domain.people import Factor
from policy.store import tables as t
from policy.store.database import Database, _engine, _writing, migrate
from policy.store.database import database_url as driven
from policy.store.migrations.upgrade import upgrade
from policy.store.tables import metadata
from tests.support.policy_databases import copied_world, mould
from tests.support.policy_world import World

OLDEST = "0005"
"""The schema of the first installations."""


@pytest.fixture
async def url(database_url: str, tmp_path: Path, clock: ManualClock) -> str:
    """A database of the oldest schema, with the rows of the fixture hospital and of one day's work in it."""
    async with copied_world("sqlite", tmp_path, clock) as filled:
        await _move(filled, database_url)
    return database_url


async def _move(filled: World, target: str) -> None:
    connections = Connections()
    engine = _engine(driven(target), connections, pooled=False)
    try:
        await filled.services.access.session_opened(await filled.grant(), "node1")
        await filled.services.tokens.issue(
            filled.people["rssi"],
            filled.people["rssi"].roles,
            filled.services.settings.token_longest,
            "script",
        )
        async with filled.services.database.read() as view:
            rows = {
                table: [dict(row) for row in (await view.connection.execute(select(table))).mappings()]
                for table in metadata.sorted_tables
            }
        async with _writing(engine.execution_options(writes=True), 5) as connection:
            await connection.run_sync(_fill, rows)
    finally:
        await engine.dispose()
        await connections.gone()


def _fill(connection: Connection, rows: dict[Table, list[dict[str, object]]]) -> None:
    upgrade(connection, until=OLDEST)
    here = inspect(connection)
    for table in metadata.sorted_tables:
        if not here.has_table(table.name):
            continue
        known = {column["name"] for column in here.get_columns(table.name)}
        for row in rows[table]:
            connection.execute(insert(table).values({key: row[key] for key in row.keys() & known}))
        if "position" in known and connection.dialect.name == "postgresql":
            newest = select(func.max(table.c.position)).scalar_subquery()
            sequence = func.pg_get_serial_sequence(table.name, "position")
            connection.execute(select(func.setval(sequence, func.coalesce(newest, 1))))


async def _counts(url: str) -> dict[str, int]:
    connections = Connections()
    engine = _engine(driven(url), connections, pooled=False)

    def count(connection: Connection) -> dict[str, int]:
        found = inspect(connection)
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if found.has_table(table.name)
        }

    try:
        async with _writing(engine, 5) as connection:
            return await connection.run_sync(count)
    finally:
        await engine.dispose()
        await connections.gone()


async def test_no_row_is_lost_on_the_way_up(url: str) -> None:
    """Every table that was there has as many rows after all migrations as before, and it was not empty."""
    before = await _counts(url)
    await migrate(url)
    after = await _counts(url)
    assert {name: after[name] for name in before} == before
    for table in (
        t.people,
        t.windows,
        t.occurrences,
        t.invitations,
        t.sessions,
        t.outbox,
        t.tokens,
        t.accounts,
    ):
        assert before[table.name] > 0, table.name


async def test_an_installation_goes_on_where_it_stood(url: str, clock: ManualClock) -> None:
    """After the migration the same person logs in, is granted the same device, and her planner's day goes on."""
    await migrate(url)
    world: World = await mould("sqlite").world.reopen(url, clock)
    try:
        attempt = await world.services.login.begin("alice", "127.0.0.1", hospital_id=world.id)
        person = await attempt.check_password_and_code(world.passwords["alice"], world.code("alice"))
        assert person.login == "alice"
        assert attempt.factors == {Factor.PASSWORD, Factor.TOTP}
        grant = await world.grant()
        assert await world.services.vault.release(grant) is not None
        cursor, _ = await world.services.access.changes_since(None)
        window = await world.add_window()
        assert window.id != grant.window_id
        seen, events = await world.services.access.changes_since(cursor)
        assert seen > cursor
        assert "window.approved" in {event.name for event in events}
        async with world.services.database.read() as view:
            tried = await view.attempts.recent(world.id, "alice", "127.0.0.1", clock.now())
            assert [one.outcome for one in tried] == [AttemptOutcome.SUCCESS]
            keys = await view.connection.execute(text("SELECT count(*) FROM account_secrets"))
            assert keys.scalar_one() == 1
    finally:
        await world.close()


async def test_a_second_migration_changes_nothing(url: str) -> None:
    """Bringing up what is up already leaves every row, and the schema is the one in use."""
    await migrate(url)
    before = await _counts(url)
    await migrate(url)
    assert await _counts(url) == before
    database = await Database.open(url)
    await database.close()
