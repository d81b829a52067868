"""The security journal: chained per writer, durable before the writer goes on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.audit.entries import GENESIS, JournalEntry, columns_of, parse
from recorder.audit.events import SecurityEvent, new_event_id
from recorder.audit.purge import Cuts
from recorder.audit.verify import JournalVerification, verify_chains
from recorder.errors import JournalBroken, JournalHasIt, TraceFormatError, first_line
from recorder.ports import Now
from recorder.store.database import Database
from recorder.store.tables import journal_entries
from recorder.trace import instants

MAX_PAGE = 500
MAX_BATCH = 500
"""Events that travel in one transaction."""
ANSWER_SECONDS = 10.0
"""How long a caller waits: a database that hangs must not keep people hanging."""

_LONGEST_NUMBER = 18
"""Digits of a number that a database takes."""
_Heads = dict[str, tuple[int, str]]
_Item = tuple[SecurityEvent, str | None, "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilters:
    """Which entries to list.

    Attributes:
        hospital_id: Whose journal; never another's.
        name: Only events of this name, or below it: ``session`` finds ``session.cut``.
        person_id: Only about this technician.
        device_id: Only about this device.
        session_id: Only about this session.
        node: Only those with this ``node`` among their details; a few others may come too.
        since: At or after this aware instant.
        until: Before this aware instant.
        newest_first: Order by time, falling.
    """

    hospital_id: str
    name: str | None = None
    person_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    node: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class JournalPage:
    """One page; ``after`` asks for the next one, None at the end."""

    entries: list[JournalEntry]
    after: str | None


class Journal:
    """One writer's way into the journal, and everybody's way to read it.

    A writer begins a chain of its own for each hospital, so that nobody waits for another process.
    After any error it begins anew: what became of the failed transaction need not be known.

    Args:
        database: Holds the table; migrated.
        node: Name of this process's machine and role, such as ``gateway-1``.
        now: Wall clock, aware UTC; named in the writer's identifier and its first entries.
    """

    def __init__(self, database: Database, *, node: str, now: Now) -> None:
        self._database = database
        self._node = node
        self._now = now
        self._queue: list[_Item] = []
        self._flushing: asyncio.Task[None] | None = None
        self._heads: _Heads = {}
        self.writer = self._new_writer()

    async def append(self, event: SecurityEvent) -> None:
        """Add an event; it is on the platter when this returns. Concurrent callers share a transaction.

        Raises:
            JournalBroken: It could not be kept: what it tells of must not happen.
        """
        await self._add(event, None)

    async def ingest(self, outbox_id: str, event: SecurityEvent) -> None:
        """Add the event of a policy change, once: nothing happens when any writer has added it already.

        Args:
            outbox_id: Identifier of the change, unique in its hospital.
            event: What it tells.

        Raises:
            JournalBroken: It could not be kept; ask again.
        """
        await self._add(event, outbox_id)

    async def entries(
        self, filters: JournalFilters, *, after: str | None = None, limit: int = 100
    ) -> JournalPage:
        """A page of entries, ordered by time.

        Args:
            filters: Which.
            after: `JournalPage.after` of the page before.
            limit: At most so many, 1 to `MAX_PAGE`.

        Raises:
            JournalBroken: The cursor is none of ours, or an entry cannot be read: run `verify`.
            SQLAlchemyError: The database refuses.
        """
        limit = max(1, min(limit, MAX_PAGE))
        table = journal_entries.c
        order = (table.at, table.writer, table.seq)
        query = _narrowed(filters)
        if after is not None:
            here, place = tuple_(*order), _place(after)
            query = query.where(here < place if filters.newest_first else here > place)
        query = query.order_by(*(column.desc() if filters.newest_first else column for column in order))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(limit + 1))).all()
        # off the loop: an entry may hold a whole report, and whoever writes it chooses how large it is
        found = await asyncio.to_thread(lambda: [parse(row.content.encode()) for row in rows[:limit]])
        return JournalPage(found, _cursor(rows[limit - 1]) if len(rows) > limit else None)

    async def pages(
        self, filters: JournalFilters, *, size: int = 100
    ) -> AsyncIterator[Sequence[JournalEntry]]:
        """Yield all entries, `size` at a time, as ``entries`` does; whoever has seen enough asks for no more.

        Raises:
            JournalBroken: An entry cannot be read: run `verify`.
            SQLAlchemyError: The database refuses.
        """
        page = await self.entries(filters, limit=size)
        yield page.entries
        while page.after is not None:
            page = await self.entries(filters, after=page.after, limit=size)
            yield page.entries

    async def newest(
        self, hospital_id: str, name: str, *, session_id: str | None = None
    ) -> JournalEntry | None:
        """The newest entry of that name or below it, about that session where one is given; None where there is none.

        Raises:
            JournalBroken: It cannot be read: run `verify`.
            SQLAlchemyError: The database refuses.
        """
        filters = JournalFilters(hospital_id=hospital_id, session_id=session_id, name=name, newest_first=True)
        return next(iter((await self.entries(filters, limit=1)).entries), None)

    async def verify(
        self,
        writer: str | None = None,
        *,
        hospital_id: str | None = None,
        known: Mapping[str, Mapping[int, str]] | None = None,
        seen: Callable[[JournalEntry], None] | None = None,
        cuts: Cuts | None = None,
    ) -> JournalVerification:
        """Walk every chain, or one writer's, or one hospital's, and name the first bad entry.

        Args:
            writer: Only this writer's chains.
            hospital_id: Only this hospital's.
            known: For each chain, ``hospital/writer``, digests by number that are known from elsewhere (an earlier
                walk's ``heads``, checkpoints): what was cut off or written anew since is found by them.
            seen: Told of each entry that holds.
            cuts: Where chains may begin, since what stood before went by rule (`recorder.proof.cuts`).

        Raises:
            SQLAlchemyError: The database refuses.
        """
        async with self._database.read() as connection:
            return await verify_chains(
                connection, writer=writer, hospital_id=hospital_id, known=known or {}, seen=seen, cuts=cuts
            )

    def _new_writer(self) -> str:
        return f"{self._node}/{instants.text(self._now())}/{new_event_id()[:8]}"

    async def _add(self, event: SecurityEvent, outbox_id: str | None) -> None:
        try:
            JournalEntry("", 0, GENESIS, event, outbox_id).content  # noqa: B018 - one bad event must not sink its batch
        except TraceFormatError as error:
            raise JournalBroken(f"event {event.name} cannot be kept: {error}") from error
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((event, outbox_id, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await done
        except TimeoutError as late:
            # under way, it may be kept yet; still in the queue, it is not
            self._queue = [item for item in self._queue if item[2] is not done]
            raise JournalBroken(f"the journal does not answer within {ANSWER_SECONDS:g} s") from late

    async def _flush(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            try:
                await self._keep(batch)
            except IntegrityError:  # an identifier is taken: the others of the batch must not suffer
                for item in batch:
                    await self._keep_one(item)

    async def _keep_one(self, item: _Item) -> None:
        try:
            await self._keep([item])
        except IntegrityError:
            try:
                await self._keep([item])  # another writer ingested the same change meanwhile: now we see it
            except IntegrityError as error:
                if _named(error):
                    _settle([item], JournalHasIt(f"event {item[0].event_id} is in the journal already"))
                else:
                    self._refused([item], error)

    async def _keep(self, batch: list[_Item]) -> None:
        """Write a batch and tell its callers.

        Raises:
            IntegrityError: An identifier is taken; nothing was written, nobody was told.
        """
        try:
            await self._write(batch)
        except IntegrityError:
            raise
        except Exception as error:
            self._refused(batch, error)
            return
        _settle(batch, None)

    def _refused(self, batch: list[_Item], error: Exception) -> None:
        self.writer, self._heads = self._new_writer(), {}
        _settle(batch, JournalBroken(f"the journal cannot be written: {first_line(error)}"))

    async def _write(self, batch: list[_Item]) -> None:
        heads = dict(self._heads)
        async with self._database.write() as connection:
            known = await _ingested(connection, batch)
            rows: list[dict[str, Any]] = []
            for event, outbox_id, _ in batch:
                if outbox_id is not None and (event.hospital_id, outbox_id) in known:
                    continue
                if outbox_id is not None:
                    known.add((event.hospital_id, outbox_id))
                if event.hospital_id not in heads:
                    rows.append(self._row(heads, self._first(event.hospital_id), None))
                rows.append(self._row(heads, event, outbox_id))
            if rows:
                await connection.execute(insert(journal_entries), rows)
        self._heads = heads

    def _first(self, hospital_id: str) -> SecurityEvent:
        """What opens a chain."""
        return SecurityEvent(
            name="journal.opened",
            hospital_id=hospital_id,
            at=self._now(),
            actor=self._node,
            details={"writer": self.writer},
        )

    def _row(self, heads: _Heads, event: SecurityEvent, outbox_id: str | None) -> dict[str, Any]:
        seq, previous = heads.get(event.hospital_id, (0, GENESIS))
        entry = JournalEntry(self.writer, seq + 1, previous, event, outbox_id)
        heads[event.hospital_id] = (entry.seq, entry.digest)
        return {**columns_of(entry), "content": entry.content.decode(), "digest": entry.digest}


def _named(error: IntegrityError) -> bool:
    """Tell whether it is an event's identifier that is taken: whatever else the database refuses is not kept."""
    unique = {"23505", sqlite3.SQLITE_CONSTRAINT_UNIQUE}
    codes = {getattr(error.orig, "sqlstate", None), getattr(error.orig, "sqlite_errorcode", None)}
    return bool(unique & codes) and "event_id" in first_line(error)


def _settle(batch: list[_Item], error: JournalBroken | None) -> None:
    for _, _, done in batch:
        if done.done():  # its caller was cancelled; an entry stands all the same
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


async def _ingested(connection: AsyncConnection, batch: list[_Item]) -> set[tuple[str, str]]:
    wanted = [(event.hospital_id, outbox_id) for event, outbox_id, _ in batch if outbox_id is not None]
    if not wanted:
        return set()
    table = journal_entries.c
    query = select(table.hospital_id, table.outbox_id).where(
        table.hospital_id.in_({hospital for hospital, _ in wanted}),
        table.outbox_id.in_({outbox_id for _, outbox_id in wanted}),
    )
    return {(row.hospital_id, row.outbox_id) for row in await connection.execute(query)}


def _narrowed(filters: JournalFilters) -> Select[Any]:
    table = journal_entries.c
    query = select(table.at, table.writer, table.seq, table.content).where(
        table.hospital_id == filters.hospital_id
    )
    if filters.name is not None:
        query = query.where(
            (table.name == filters.name) | table.name.startswith(f"{filters.name}.", autoescape=True)
        )
    for column, value in (
        (table.person_id, filters.person_id),
        (table.device_id, filters.device_id),
        (table.session_id, filters.session_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if filters.node is not None:
        # the content is canonical: within a text, such as a report, its quotes would be escaped
        said = f'"node":{json.dumps(filters.node, ensure_ascii=False)}'
        query = query.where(table.content.contains(said, autoescape=True))
    if filters.since is not None:
        query = query.where(table.at >= filters.since)
    if filters.until is not None:
        query = query.where(table.at < filters.until)
    return query


def _cursor(row: Row[Any]) -> str:
    return f"{row.seq}@{instants.text(row.at)}@{row.writer}"


def _place(after: str) -> tuple[datetime, str, int]:
    seq, _, rest = after.partition("@")
    at, _, writer = rest.partition("@")
    try:
        if len(seq) > _LONGEST_NUMBER:
            raise ValueError("no such number")
        return instants.parse(at), writer, int(seq)
    except (TraceFormatError, ValueError) as error:
        raise JournalBroken("this cursor was not given by the list") from error
