"""A database that is away, and one that answers and refuses: told apart on every engine, since who must mend it differs."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import SQLAlchemyError

from embedded.patience import failure, refuses
from recorder.errors import CatalogRefuses, CatalogUnavailable
from recorder.store.database import Database, unavailable
from recorder.store.tables import journal_purges
from tests.support import postgres

pytestmark = pytest.mark.integration

PURGE: dict[str, Any] = {
    "hospital_id": "h",
    "number": 1,
    "made_at": datetime.fromisoformat("2026-11-30T00:00:00+00:00"),
    "content": "c",
    "signature": "s",
}


async def refusal(database: Database, *statements: Any) -> SQLAlchemyError:
    """Return what the last one of *statements* raises."""
    *before, last = statements
    async with database.write() as connection:
        for statement in before:
            await connection.execute(statement)
        with pytest.raises(SQLAlchemyError) as raised:
            await connection.execute(last)
        await connection.rollback()
    return raised.value


@pytest.mark.parametrize(
    "last",
    [
        text("SELECT * FROM no_such_table"),
        text("SELECT no_such_column FROM journal_purges"),
        text("SELEKT 1"),
        insert(journal_purges).values(PURGE),
        insert(journal_purges).values({**PURGE, "number": 2, "content": None}),
        insert(journal_purges).values({**PURGE, "number": 2, "made_at": datetime(2026, 11, 30)}),  # noqa: DTZ001 - what is refused
    ],
    ids=["table", "column", "syntax", "key", "null", "value"],
)
async def test_what_this_program_or_its_schema_has_wrong_is_a_refusal(database: Database, last: Any) -> None:
    """A table or column that is not there, a statement that is none, a key taken, a value missing or of another kind."""
    error = await refusal(database, insert(journal_purges).values(PURGE), last)
    assert refuses(error), error
    told = unavailable(error, 0.0)
    assert isinstance(told, CatalogRefuses)
    assert "answers, and refuses what this program asks of it" in str(told)


@pytest.mark.postgres
async def test_a_right_that_is_missing_is_a_refusal() -> None:
    """PostgreSQL says that nobody may read the table: its server and the network have nothing to do with it."""
    server = postgres.shared()
    url = server.url(server.create())
    owner = Database(url)
    async with owner.write() as connection:
        await connection.execute(text("CREATE TABLE kept (id integer)"))
        await connection.execute(text("CREATE ROLE ecluse_nobody LOGIN"))
    nobody = Database(url.replace("postgres@", "ecluse_nobody@"))
    try:
        assert "InsufficientPrivilegeError" in failure(await refusal(nobody, text("SELECT * FROM kept")), 0.0)
    finally:
        await nobody.dispose()
        async with owner.write() as connection:
            await connection.execute(text("DROP ROLE ecluse_nobody"))
        await owner.dispose()
        server.drop(url)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "way",
    ["SELECT pg_terminate_backend(pg_backend_pid())", "SELECT pg_sleep(9)", "INSERT INTO kept VALUES (1)"],
    ids=["terminated", "cancelled", "standby"],
)
async def test_what_is_over_by_itself_is_none(way: str) -> None:
    """A connection that broke, a question given up, a server that only reads for now: it is away, and told so."""
    server = postgres.shared()
    url = server.url(server.create())
    database = Database(url)
    settings = [text("CREATE TABLE kept (id integer)"), text("SET LOCAL statement_timeout = 50")]
    if way.startswith("INSERT"):
        settings.append(text("SET TRANSACTION READ ONLY"))
    error = await refusal(database, *settings, text(way))
    await database.dispose()
    server.drop(url)
    assert not refuses(error), error
    assert type(unavailable(error, 0.0)) is CatalogUnavailable


async def test_a_file_that_cannot_be_opened_or_is_locked_is_none(database_url: str) -> None:
    """SQLite's own words for a file that is not there, or that another one writes, are no refusal; nor is no server."""
    url = database_url if database_url.startswith("sqlite") else "postgresql://nobody@127.0.0.1:1/none"
    if not url.startswith("sqlite"):
        with pytest.raises(SQLAlchemyError) as raised:
            async with Database(url).write():
                pass
        assert not refuses(raised.value)
        return
    first, second = Database(url), Database(url, patience=0.01)
    async with first.write() as connection:
        await connection.execute(insert(journal_purges).values(PURGE))
        with pytest.raises(SQLAlchemyError) as raised:
            async with second.write():
                pass
    assert not refuses(raised.value)
    with pytest.raises(SQLAlchemyError) as raised:
        async with Database(f"{url}.d/not/there").write():
            pass
    assert not refuses(raised.value)
    await first.dispose()
    await second.dispose()
