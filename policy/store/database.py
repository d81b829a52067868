"""The policy database: one engine, snapshots for reading, transactions for writing.

SQLite and PostgreSQL keep the same promises here. On SQLite every transaction is begun by us, because the driver
begins none for reads and a deferred one for writes: a reader gets one snapshot of the WAL, a writer takes the
write lock at once (BEGIN IMMEDIATE), so that it never finds out too late that it cannot write.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Connection, event, func, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InvalidatePoolError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from embedded.patience import failure
from embedded.sqlite import Connections
from embedded.users import Users
from policy.clock import Clock
from policy.domain.ids import PersonId
from policy.errors import Conflict, InvalidInput, PolicyUnavailable
from policy.store.migrations.upgrade import MIGRATIONS, check_version, upgrade
from policy.store.unit_of_work import UnitOfWork, View
from schema.contract import Standing
from schema.migrations import PATIENCE_SECONDS, Migrations

BUSY_TIMEOUT_MS = 5000
"""How long a writer waits for another process's write lock, on either database."""

RESTED_SECONDS = 1.0
"""A connection to PostgreSQL used within this time is believed to live: if it does not, that one question fails."""
_LEFT = "ecluse.left"
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_STEP_MS = 100
"""How long one try for SQLite's write lock lasts; between tries, whoever waits can be told to stop."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def database_url(url: str) -> URL:
    """Return *url* with the asynchronous driver it needs; raises InvalidInput for a database not supported."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "database_url", "write sqlite:////path/to/file or postgresql://host/name"
        ) from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise InvalidInput(
            "database_url", f"{parsed.drivername!r} is not supported: use sqlite or postgresql"
        )
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise InvalidInput("database_url", "SQLite needs a file: write sqlite:////path/to/file")
    return parsed.set(drivername=driver)


async def migrate(url: str, migrations: Migrations = MIGRATIONS, until: str | None = None) -> None:
    """Bring the schema at *url* up to this version, or to *until*, while programs use it, by one process at a time.

    Raises PolicyUnavailable where the database cannot be reached or locked, or a newer version narrowed it.
    """
    async with _alone(url) as engine:
        embedded = engine.dialect.name == "sqlite"
        writing = engine.execution_options(writes=True)
        opened = _writing(writing, PATIENCE_SECONDS) if embedded else engine.connect()
        async with opened as connection:
            await connection.run_sync(upgrade, migrations, until)


async def standing(url: str, migrations: Migrations = MIGRATIONS) -> Standing:
    """Return where the schema at *url* stands for this version. Raises PolicyUnavailable."""
    async with _alone(url) as engine, engine.begin() as connection:
        return await connection.run_sync(migrations.standing)


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine for one job, which keeps no connection."""
    connections = Connections()
    engine = _engine(database_url(url), connections, pooled=False)
    try:
        with failures_mean_unavailable():
            yield engine
    finally:
        await engine.dispose()
        await connections.gone()


class Database:
    """The policy database, open."""

    def __init__(self, engine: AsyncEngine, connections: Connections) -> None:
        """Serve from *engine*, whose *connections* are these if it is SQLite's; use ``Database.open``."""
        self._engine = engine
        self._connections = connections
        self._writers = engine.execution_options(writes=True)
        self._embedded = engine.dialect.name == "sqlite"
        self._readers = engine if self._embedded else engine.execution_options(**_SNAPSHOT)
        self._askers = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turn = asyncio.Lock()
        self._users = Users()

    @classmethod
    async def open(cls, url: str, *, migrate: bool = False, checked: bool = True) -> Self:
        """Open the database at *url*, after bringing its schema up to date if *migrate*.

        Not *checked*, its schema may be any: who asks knows which tables it has.

        Raises InvalidInput for a URL not supported, PolicyUnavailable where it cannot be reached or its schema
        is one that this version cannot use.
        """
        if migrate:
            await _migrate(url)
        connections = Connections()
        database = cls(_engine(database_url(url), connections, pooled=True), connections)
        try:
            if checked:
                await database.check()
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close every connection, once the questions under way have their answers or BUSY_TIMEOUT_MS has passed."""
        await self._users.left(BUSY_TIMEOUT_MS / 1000)
        await self._engine.dispose()
        await self._connections.gone()

    async def check(self) -> None:
        """Return where the database answers, with a schema that this version can use; raises PolicyUnavailable otherwise."""
        with self._asked():
            async with self._engine.begin() as connection:
                await connection.run_sync(check_version)

    async def server_time(self) -> datetime | None:
        """Return the database server's own clock, aware UTC; None where the database is a file of this machine.

        Raises PolicyUnavailable.
        """
        if self._embedded:
            return None
        async with self.read() as view:
            found: datetime = (await view.connection.execute(select(func.clock_timestamp()))).scalar_one()
        return found.astimezone(UTC)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[View]:
        """Open one snapshot for reading. Raises PolicyUnavailable where the database cannot be read."""
        with self._asked():
            async with self._readers.connect() as connection, _snapshot(connection):
                yield View(connection)

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[View]:
        """Open a view without a transaction, for who has one question: on PostgreSQL that is one message, and not three.

        Each statement is a snapshot of its own; what is asked after another may be newer than it, never older. Raises
        PolicyUnavailable where the database cannot be read.
        """
        if self._embedded:
            async with self.read() as view:
                yield view
        else:
            with self._asked():
                async with self._askers.connect() as connection:
                    yield View(connection)

    @asynccontextmanager
    async def unit_of_work(self, actor: PersonId | None, clock: Clock) -> AsyncIterator[UnitOfWork]:
        """Open a transaction on behalf of *actor* (None: the installation); commit on a clean exit, else undo.

        Raises PolicyUnavailable where the database cannot be written, Conflict where another transaction took
        the same name or key meanwhile.
        """
        turn: AbstractAsyncContextManager[object] = self._turn if self._embedded else nullcontext()
        with self._asked():
            # one writer at a time on SQLite anyway: queue here, in order, rather than poll for its lock
            async with turn, _writing(self._writers, BUSY_TIMEOUT_MS / 1000) as connection:
                work = UnitOfWork(connection, actor, clock)
                yield work
                await work.flush()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        with self._users.one(), failures_mean_unavailable():
            yield


@contextmanager
def failures_mean_unavailable() -> Iterator[None]:
    """Turn the database's errors into this package's: nothing above the store knows SQLAlchemy."""
    begun = time.monotonic()
    try:
        yield
    except IntegrityError as error:
        raise Conflict("another change took the same name or key, or removed what this one needs") from error
    except (SQLAlchemyError, OSError) as error:
        raise PolicyUnavailable(f"the policy database {failure(error, begun)}") from error


@contextmanager
def silence_means_unavailable() -> Iterator[None]:
    """Turn the end of whoever's patience with the database, a TimeoutError, into this package's error."""
    try:
        yield
    except TimeoutError as error:
        raise PolicyUnavailable("the policy database does not answer in time") from error


_migrate = migrate  # ``Database.open`` has a parameter of that name


@asynccontextmanager
async def _snapshot(connection: AsyncConnection) -> AsyncIterator[None]:
    transaction = await connection.begin()
    try:
        yield
    finally:
        # undone, not committed: what is written by mistake through a view is never kept
        await transaction.rollback()


@asynccontextmanager
async def _writing(engine: AsyncEngine, patience: float) -> AsyncIterator[AsyncConnection]:
    """Open a writing transaction; on SQLite wait for another process's lock in small steps, *patience* seconds in all.

    SQLite's own wait blocks the connection's thread, which nothing can cancel: a caller whose time is up would
    still sit through all of it.
    """
    async with engine.connect() as connection:
        async with asyncio.timeout(patience):
            transaction = await _begin(connection)
        try:
            yield connection
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()


async def _begin(connection: AsyncConnection) -> AsyncTransaction:
    while True:
        try:
            return await connection.begin()
        except OperationalError as error:
            if not _locked(error):
                raise


def _locked(error: OperationalError) -> bool:
    code: int = getattr(error.orig, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY  # the low byte, the rest says why it is busy


def _engine(url: URL, connections: Connections, *, pooled: bool) -> AsyncEngine:
    embedded = url.drivername.startswith("sqlite")
    options: dict[str, object] = {} if pooled else {"poolclass": NullPool}
    if embedded:
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_MS / 1000, "async_creator_fn": connections.make}
    else:
        options["connect_args"] = {
            "timeout": 2,
            "command_timeout": 2 * BUSY_TIMEOUT_MS / 1000 if pooled else None,
            "server_settings": {
                "application_name": "ecluse",
                "lock_timeout": str(BUSY_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": "30000",
            },
        }
    if pooled:
        options |= {"pool_size": 10, "max_overflow": 20, "pool_timeout": BUSY_TIMEOUT_MS / 1000}
    engine = create_async_engine(url, **options)
    if embedded:
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    elif pooled:
        event.listen(engine.sync_engine, "checkin", _leave)
        event.listen(engine.sync_engine, "checkout", _ask_again)
    return engine


def _leave(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info[_LEFT] = time.monotonic()


def _ask_again(connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that rested whether its server is still there: each time is three messages too many."""
    if time.monotonic() - entry.info.get(_LEFT, -math.inf) < RESTED_SECONDS:
        return
    try:
        connection.ping()  # type: ignore[attr-defined]  # the driver's own object
    except Exception as error:
        raise InvalidatePoolError("the server of this connection is gone") from error


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_STEP_MS}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
