"""One open catalogue-and-journal database: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from embedded.patience import failure, refuses
from embedded.sqlite import Connections
from embedded.users import Users
from recorder.errors import CatalogRefuses, CatalogUnavailable, RecorderError
from recorder.store.migrations.upgrade import MIGRATIONS, check_version, upgrade
from schema.contract import Standing
from schema.migrations import PATIENCE_SECONDS, Migrations

WAIT_SECONDS = 5
"""How long a writer waits for another writer's lock, and anybody for a server that does not answer."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


class Database:
    """An engine for the catalogue and the journal; nothing connects before the first use.

    Args:
        url: SQLAlchemy URL, ``sqlite:////path/to/file`` or ``postgresql://host/name``.
        patience: Seconds that a writer waits for another's lock on SQLite.

    Raises:
        RecorderError: The URL names no database that is supported.
    """

    def __init__(self, url: str, *, patience: float = WAIT_SECONDS) -> None:
        self._connections = Connections()
        self._engine = _engine(_checked(url), self._connections, patience)
        self._users = Users()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that inserts; committed, and on the platter, when the block ends. Raises SQLAlchemyError."""
        writing = self._engine.execution_options(writes=True)
        async with self._connected(writing) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot to read from. Raises SQLAlchemyError."""
        async with self._connected(self._engine) as connection:
            if self.dialect == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @asynccontextmanager
    async def bare(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose transactions are the caller's business. Raises SQLAlchemyError."""
        async with self._connected(self._engine) as connection:
            yield connection

    async def check(self) -> None:
        """Return where the database answers, with a schema that this version can use.

        Raises:
            CatalogUnavailable: It does not answer, or its schema is one that this version cannot use.
        """
        with _failures_mean_unavailable():
            async with self._connected(self._engine) as connection:
                await connection.run_sync(check_version)

    async def dispose(self) -> None:
        """Close every connection, once the questions under way have their answers or WAIT_SECONDS have passed."""
        await self._users.left(WAIT_SECONDS)  # an entry might be half-way
        await self._engine.dispose()
        await self._connections.gone()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with self._users.one():
            async with AsyncExitStack() as open_until_left:
                try:
                    connection = await open_until_left.enter_async_context(engine.connect())
                except OSError as error:
                    # PostgreSQL's driver lets the system's own through for a server that is not there
                    raise OperationalError("connect", None, error) from error
                yield connection


async def migrate(url: str, migrations: Migrations = MIGRATIONS, until: str | None = None) -> None:
    """Bring the schema at ``url`` up to this version, or to ``until``, while programs use it, one process at a time.

    Raises:
        RecorderError: The URL names no database that is supported.
        CatalogUnavailable: The database cannot be reached or locked or refuses, or a newer version narrowed it.
    """
    database = Database(url, patience=PATIENCE_SECONDS)
    try:
        with _failures_mean_unavailable():
            async with database.write() if database.dialect == "sqlite" else database.bare() as connection:
                await connection.run_sync(upgrade, migrations, until)
    finally:
        await database.dispose()


async def standing(url: str, migrations: Migrations = MIGRATIONS) -> Standing:
    """Where the schema at ``url`` stands for this version.

    Raises:
        RecorderError: The URL names no database that is supported.
        CatalogUnavailable: The database cannot be reached.
    """
    database = Database(url)
    try:
        with _failures_mean_unavailable():
            async with database.bare() as connection:
                return await connection.run_sync(migrations.standing)
    finally:
        await database.dispose()


@contextmanager
def _failures_mean_unavailable() -> Iterator[None]:
    begun = time.monotonic()
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error, begun) from error


def unavailable(error: Exception, begun: float) -> CatalogUnavailable:
    """Return, as this package's, what came of a question to the trace database begun then (of ``time.monotonic``)."""
    kind = CatalogRefuses if refuses(error) else CatalogUnavailable
    return kind(f"the trace database {failure(error, begun)}")


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise RecorderError("catalog_url: write sqlite:////path/to/file or postgresql://host/name") from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise RecorderError(f"catalog_url: {parsed.drivername!r} is not supported: use sqlite or postgresql")
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise RecorderError("catalog_url: SQLite needs a file: write sqlite:////path/to/file")
    return parsed.set(drivername=driver)


def _engine(url: URL, connections: Connections, patience: float) -> AsyncEngine:
    if url.drivername.startswith("postgresql"):
        return create_async_engine(
            url,
            pool_pre_ping=True,
            connect_args={
                "timeout": WAIT_SECONDS,
                "server_settings": {"application_name": "ecluse-recorder"},
            },
        )
    engine = create_async_engine(
        url, connect_args={"timeout": patience, "async_creator_fn": connections.make}
    )
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
