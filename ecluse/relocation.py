"""Moves policy, catalogue and journal from SQLite to PostgreSQL: all of it, verified, or nothing.

The embedded databases are locked against every writer and only read. Each target is filled in one transaction, schema
included, and compared with its source before either is committed; whatever fails leaves the targets as they were.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Table, create_engine, func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from ecluse import grants
from ecluse.database_roles import connected, first_line
from ecluse.errors import StoreError
from ecluse.grants import Store
from ecluse.presence import port_of
from ecluse.settings import Settings
from policy.store.migrations import upgrade as policy_schema
from recorder.audit.purge import recorded_cuts
from recorder.audit.verify import JournalVerification, verify_chains
from recorder.store.database import Database as TraceDatabase
from recorder.store.migrations import upgrade as trace_schema

BATCH: Final = 500
LOCK_SECONDS: Final = 2
_SCHEMAS: Final = {"policy": policy_schema, "traces": trace_schema}

Progress = Callable[[str, int, int], None]
"""Told of a table, how many rows of all tables are done, and how many there are: each is copied, then read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """What was moved: rows by table, and what the journal's chains say on both sides (the same)."""

    rows: dict[str, int]
    journal: JournalVerification


@dataclass(slots=True)
class _Sum:
    """Rows of a table and a digest of them that does not depend on their order, which collations change."""

    rows: int = 0
    digest: int = field(default=0, repr=False)

    def add(self, row: tuple[Any, ...]) -> None:
        self.rows += 1
        one = hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest()
        self.digest = (self.digest + int.from_bytes(one, "big")) % (1 << 256)


class _Counter:
    def __init__(self, total: int, tell: Progress) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def add(self, table: str, rows: int) -> None:
        self._done += rows
        self._tell(table, self._done, self._total)


async def relocate(settings: Settings, policy_url: str, trace_url: str, tell: Progress) -> Relocation:
    """Copy both embedded databases of *settings* into the empty PostgreSQL databases at the two URLs (may be one).

    Raises StoreError where a process of the installation runs, a target is not empty or cannot be used, or what
    arrived is not what was sent: nothing is left of the attempt then.
    """
    for program in ("gateway", "console"):
        if port_of(settings.run_directory, program) is not None:
            raise StoreError("db.running", program=program)
    places = (
        (grants.POLICY, settings.policy_url(), policy_url),
        (grants.TRACES, settings.trace_url(), trace_url),
    )
    for store, source_url, _ in places:
        if not source_url.startswith("sqlite"):
            raise StoreError("db.not_embedded", store=store.name)
    async with AsyncExitStack() as stack:
        moves = []
        for store, source_url, target_url in places:
            source = stack.enter_context(_locked(store, source_url))
            target = await stack.enter_async_context(connected(target_url))
            moves.append((store, source, target))
        total = 2 * sum(
            _count(source, table) for store, source, _ in moves for table in store.metadata.sorted_tables
        )
        counter = _Counter(total, tell)
        rows: dict[str, int] = {}
        for store, source, target in moves:
            rows |= await _move(store, source, target, counter)
        journal = await _same_journal(settings.trace_url(), moves[1][2])
        for _, _, target in reversed(moves):
            await target.commit()
    return Relocation(rows=rows, journal=journal)


@contextmanager
def _locked(store: Store, url: str) -> Iterator[Connection]:
    """Open an embedded database so that nobody writes to it meanwhile, one snapshot to read from."""
    path = make_url(url).database or ""
    engine = create_engine(
        f"sqlite:///file:{path}?mode=rw&uri=true", poolclass=NullPool, connect_args={"timeout": LOCK_SECONDS}
    )
    try:
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is not None:
                raw.isolation_level = None  # we begin, not the driver
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _SCHEMAS[store.name].check_version(connection)
            yield connection
            connection.exec_driver_sql("ROLLBACK")
    except OperationalError as error:
        raise StoreError("db.source_busy", path=path, why=first_line(error)) from error
    finally:
        engine.dispose()


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


async def _move(
    store: Store, source: Connection, target: AsyncConnection, counter: _Counter
) -> dict[str, int]:
    async with _told(store):
        encoding = (await target.execute(text("SHOW server_encoding"))).scalar_one()
        if encoding != "UTF8":
            raise StoreError("db.target_encoding", encoding=encoding)
        await target.run_sync(_SCHEMAS[store.name].upgrade)
    tables = store.metadata.sorted_tables
    for table in tables:
        if (await target.execute(select(table).limit(1))).first() is not None:
            raise StoreError("db.target_not_empty", table=table.name, store=store.name)
    moved: dict[str, int] = {}
    for table in tables:
        async with _told(store, table):
            sent = await _copy(table, source, target, counter)
            await _go_on_counting(table, source, target)
            arrived = await _read_back(table, target, counter)
        if arrived != sent:
            raise StoreError("db.differs", table=table.name, sent=sent.rows, arrived=arrived.rows)
        moved[table.name] = sent.rows
    return moved


async def _copy(table: Table, source: Connection, target: AsyncConnection, counter: _Counter) -> _Sum:
    total = _Sum()
    found = source.execution_options(yield_per=BATCH).execute(select(table))
    for rows in found.partitions():
        for row in rows:
            total.add(tuple(row))
        await target.execute(insert(table), [dict(row._mapping) for row in rows])  # noqa: SLF001 - its public name
        counter.add(table.name, len(rows))
    return total


async def _read_back(table: Table, target: AsyncConnection, counter: _Counter) -> _Sum:
    total = _Sum()
    found = await target.stream(select(table).execution_options(yield_per=BATCH))
    async for rows in found.partitions():
        for row in rows:
            total.add(tuple(row))
        counter.add(table.name, len(rows))
    return total


async def _go_on_counting(table: Table, source: Connection, target: AsyncConnection) -> None:
    """Let running numbers go on after the last that was ever given, though its row be pruned: cursors rely on it."""
    for sequence in grants.sequences(table):
        last = source.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table.name}
        ).scalar()
        if last:
            await target.execute(text("SELECT setval(:name, :last)"), {"name": sequence, "last": int(last)})


async def _same_journal(source_url: str, target: AsyncConnection) -> JournalVerification:
    """Walk every chain on both sides, and return what was found, the same on both; a break moves as it is."""
    source = TraceDatabase(source_url)
    try:
        async with source.read() as connection:
            before = await _walked(connection)
    finally:
        await source.dispose()
    after = await _walked(target)
    if after != before:
        raise StoreError("db.journal_differs")
    return after


async def _walked(connection: AsyncConnection) -> JournalVerification:
    # who signed a purge record is asked by who verifies: here both sides have the same ones
    cuts = await recorded_cuts(connection)
    return await verify_chains(connection, writer=None, hospital_id=None, known={}, cuts=cuts)


@asynccontextmanager
async def _told(store: Store, table: Table | None = None) -> AsyncIterator[None]:
    try:
        yield
    except (DBAPIError, SQLAlchemyError, OSError) as error:
        where = store.name if table is None else table.name
        raise StoreError("db.target_refuses", place=where, why=first_line(error)) from error
