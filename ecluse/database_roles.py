"""The roles of the two processes in PostgreSQL: given their rights, and compared with what they can do."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from typing_extensions import override

from ecluse import grants
from ecluse.errors import StoreError
from ecluse.grants import Allowance, Store
from ecluse.sections import DatabaseSection, Part
from ecluse.settings import Settings
from policy.store.database import database_url
from schema.migrations import LOCK_MS, LOCK_NOT_AVAILABLE, PATIENCE_SECONDS

CONNECT_SECONDS = 5
_UNDEFINED_ROLE: Final = "42704"
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One thing that a role may do: a privilege on a table, on one of its columns, or (no table) on the server."""

    table: str
    privilege: str
    column: str = ""

    @override
    def __str__(self) -> str:
        """Return it as SQL says it."""
        column = f" ({self.column})" if self.column else ""
        return f"{self.privilege}{column} ON {self.table}" if self.table else self.privilege


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a role can do and need not, and what it lacks; ``known`` is False where there is no such role."""

    known: bool
    more: tuple[Right, ...] = ()
    less: tuple[Right, ...] = ()


def databases(settings: Settings) -> Iterator[tuple[Store, DatabaseSection, str]]:
    """Give each store that is on PostgreSQL, its section of the settings, and its owner's URL.

    Raises SettingsError where a password cannot be read.
    """
    for store, section, url_of in (
        (grants.POLICY, settings.policy_database, settings.policy_url),
        (grants.TRACES, settings.trace_database, settings.trace_url),
    ):
        if not section.embedded:
            yield store, section, url_of()


async def give(settings: Settings, *, keep: bool = False) -> None:
    """Give the roles that the settings name their rights on both databases, as ``roles.sql`` does.

    *keep*: what they have beyond that they keep, for programs of another version run that may need it. Tables in use are
    waited for as briefly as by a migration. Nothing is done on SQLite, nor for a role that is not named. Raises
    StoreError, SettingsError.
    """
    for store, section, url in databases(settings):
        gateway, console = (section.user(part) for part in (Part.GATEWAY, Part.CONSOLE))
        if gateway is None and console is None:
            continue
        async with connected(url) as connection:
            end = time.monotonic() + PATIENCE_SECONDS
            while True:
                await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
                try:
                    await give_on(connection, store, gateway, console, keep=keep)
                    await connection.commit()
                    break
                except TablesInUse:
                    await connection.rollback()
                    if time.monotonic() >= end:
                        raise
                await asyncio.sleep(_PAUSE_SECONDS)


class TablesInUse(StoreError):
    """Others held for too long what rights are given on: nothing was changed."""


async def give_on(
    connection: AsyncConnection,
    store: Store,
    gateway: str | None,
    console: str | None,
    *,
    keep: bool = False,
) -> None:
    """Give the two roles their rights on *store*, in the transaction of *connection*; *keep*: take none away.

    Raises StoreError.
    """
    quoted = [None if role is None else f'"{role}"' for role in (gateway, console)]
    try:
        for role in filter(None, quoted):
            schema = (await connection.execute(text("SELECT quote_ident(current_schema())"))).scalar_one()
            await connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
        for statement in grants.statements(store, *quoted, keep=keep):
            await connection.execute(text(statement))
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate == LOCK_NOT_AVAILABLE:
            raise TablesInUse("db.tables_in_use", store=store.name) from error
        if sqlstate == _UNDEFINED_ROLE:
            names = ", ".join(filter(None, (gateway, console)))
            raise StoreError("db.no_role", roles=names) from error
        raise StoreError("db.roles_refused", why=first_line(error)) from error


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """Connect to PostgreSQL at *url* for one job. Raises StoreError where that fails."""
    engine = create_async_engine(
        database_url(url), poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS}
    )
    try:
        try:
            connection = await engine.connect()
        except (SQLAlchemyError, OSError) as error:
            raise StoreError("db.unreachable", why=first_line(error)) from error
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await engine.dispose()


def first_line(error: Exception) -> str:
    """Return what the database said, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error).strip()
    line = said.splitlines()[0] if said else type(error).__name__
    return line.rpartition(">: ")[2][:300]


async def compare(connection: AsyncConnection, role: str) -> Comparison:
    """Compare what *role* can do in the database of *connection* with what the gateway needs of the stores there."""
    found = (await connection.execute(_ROLE, {"role": role})).mappings().first()
    if found is None:
        return Comparison(known=False)
    more = [Right("", name) for name, held in found.items() if held]
    tables = {row.relname for row in await connection.execute(_TABLES)}
    needed: set[Right] = set()
    for store in grants.STORES:
        needed |= set(_needed(store.gateway, tables))
    held = {Right(*row) for row in await connection.execute(_HELD, {"role": role})}
    ruled = {row.relname for row in await connection.execute(_RULED)}
    unruled = {table for store in grants.STORES for table in grants.ruled(store)} & tables - ruled
    more += [Right(table, "EVERY ROW") for table in unruled]
    more += held - needed
    return Comparison(known=True, more=tuple(sorted(more)), less=tuple(sorted(needed - held)))


def _needed(allowances: Mapping[str, Allowance], tables: set[str]) -> Iterator[Right]:
    for table, allowance in allowances.items():
        if table not in tables:
            continue
        for privilege, columns in allowance.privileges():
            yield from (Right(table, privilege, column) for column in columns or ("",))


_ROLE: Final = text(
    """
SELECT rolsuper AS "SUPERUSER", rolcreaterole AS "CREATEROLE", rolcreatedb AS "CREATEDB",
       rolbypassrls AS "BYPASSRLS", rolreplication AS "REPLICATION",
       has_schema_privilege(oid, current_schema(), 'CREATE') AS "CREATE IN SCHEMA",
       has_database_privilege(oid, current_database(), 'CREATE') AS "CREATE IN DATABASE",
       EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace
               AND relkind IN ('r', 'p', 'S') AND pg_has_role(pg_roles.oid, relowner, 'MEMBER')) AS "OWNER OF TABLES"
FROM pg_roles WHERE rolname = :role
"""
)
_OURS: Final = "c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
_TABLES: Final = text(f"SELECT c.relname FROM pg_class AS c WHERE {_OURS}")  # noqa: S608 - a constant of this module
_RULED: Final = text(f"SELECT c.relname FROM pg_class AS c WHERE {_OURS} AND c.relrowsecurity")  # noqa: S608 - same
_HELD: Final = text(
    f"""
SELECT c.relname, p.privilege, ''
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(privilege)
WHERE {_OURS} AND has_table_privilege(CAST(:role AS name), c.oid, p.privilege)
UNION ALL
SELECT c.relname, p.privilege, a.attname
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p(privilege)
WHERE {_OURS} AND has_column_privilege(CAST(:role AS name), c.oid, a.attnum, p.privilege)
  AND NOT has_table_privilege(CAST(:role AS name), c.oid, p.privilege)
"""  # noqa: S608 - a constant of this module
)
