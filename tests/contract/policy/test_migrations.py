"""The schema, brought up from nothing."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from policy.clock import ManualClock
from policy.errors import PolicyUnavailable
from policy.store.database import Database, migrate
from policy.store.migrations.upgrade import MIGRATIONS
from policy.store.tables import metadata


async def test_the_migrations_make_exactly_the_tables_in_use(database_url: str, clock: ManualClock) -> None:
    """Nothing is missing from the migrated schema, and nothing is in it that the tables do not say."""
    await migrate(database_url)
    database = await Database.open(database_url)
    try:
        async with database.unit_of_work(None, clock) as work:
            differences = await work.connection.run_sync(_differences)
    finally:
        await database.close()
    assert differences == []


async def test_processes_that_start_together_migrate_once(database_url: str, clock: ManualClock) -> None:
    """Several migrations of an empty database at once all succeed, and leave one version behind."""
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    database = await Database.open(database_url)
    try:
        async with database.unit_of_work(None, clock) as work:
            versions = (await work.connection.execute(text("SELECT version_num FROM alembic_version"))).all()
    finally:
        await database.close()
    assert len(versions) == 1


async def test_every_table_has_its_hospital_in_every_key() -> None:
    """Invariant 11: no unique constraint or primary key without the hospital, but for the installation's own."""
    own = {
        ("hospitals", "pk_hospitals"),
        ("nodes", "pk_nodes"),
        ("programs", "pk_programs"),
        ("outbox", "pk_outbox"),
        ("attempts", "pk_attempts"),
    }
    without = {
        (table.name, constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if type(constraint).__name__ in {"PrimaryKeyConstraint", "UniqueConstraint"}
        and "hospital_id" not in {column.name for column in constraint.columns}  # type: ignore[attr-defined]  # both kinds have columns
    }
    assert without == own
    assert {table.name for table in metadata.sorted_tables if "hospital_id" not in table.c} == {
        "hospitals",
        "programs",
    }


async def test_a_database_without_its_schema_is_unavailable(database_url: str) -> None:
    """A database that was never migrated is not served."""
    with pytest.raises(PolicyUnavailable, match="schema none"):
        await Database.open(database_url)


async def test_a_schema_of_a_newer_version_is_left_alone(database_url: str, clock: ManualClock) -> None:
    """A database that a newer version has migrated is not touched, and not served."""
    await migrate(database_url)
    database = await Database.open(database_url)
    async with database.unit_of_work(None, clock) as work:
        await work.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(PolicyUnavailable, match="9999"):
        await migrate(database_url)
    with pytest.raises(PolicyUnavailable, match="9999"):
        await Database.open(database_url)


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "include_name": _of_the_tables_in_use}
    )
    return list(compare_metadata(context, metadata))


def _of_the_tables_in_use(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name != MIGRATIONS.history
