"""What the catalogue tells of closed sessions and their purges: what is old, what was begun, what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, exists, func, insert, or_, select, tuple_

from recorder.ports import Now
from recorder.store.database import Database
from recorder.store.headers import told_by
from recorder.store.tables import (
    checkpoint_facts,
    checkpoints,
    holds_stored,
    purge_records,
    purges_finished,
    sessions_closed,
    sessions_opened,
    sessions_purged,
)
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace

_LARGEST: Final = 1 << 44
"""Bytes that no trace has."""


@dataclass(frozen=True, slots=True)
class ClosedTrace:
    """One closed session of the catalogue. ``size`` is in bytes, instants are aware UTC.

    ``closed_at`` is the gateway's word. ``noted_at`` is when a checkpoint, the console's, first told of the end; None
    where none does yet. ``altered``: its row is not what a gateway writes; no purge touches it (`headers.told_by`).
    """

    header: TraceHeader
    closed_at: datetime
    size: int
    manifest_sha256: str
    noted_at: datetime | None = None
    altered: bool = False

    @property
    def place(self) -> TracePlace:
        """Where its trace lies."""
        return TracePlace.of(self.header)


@dataclass(frozen=True, slots=True)
class BegunPurge:
    """The record of a purge that is not finished, with its signature."""

    trace: ClosedTrace
    content: bytes
    signature: bytes
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class ShelfPage:
    """Some closed traces, the oldest end first; ``after`` asks for the next, None at the end."""

    traces: Sequence[ClosedTrace]
    after: tuple[datetime, str] | None


class PurgeShelf:
    """Reads the catalogue for what purges, and keeps its records: rows are added, never changed.

    Args:
        database: Holds catalogue and records; migrated.
        hospital_id: Whose.
        now: Wall clock.
    """

    def __init__(self, database: Database, hospital_id: str, now: Now) -> None:
        self.database = database
        self.hospital_id = hospital_id
        self._now = now

    async def closed(
        self,
        *,
        before: datetime | None = None,
        since: datetime | None = None,
        person_id: str | None = None,
        device_id: str | None = None,
        session_id: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 200,
    ) -> ShelfPage:
        """Closed traces that were not purged, the oldest end first.

        Args:
            before: Closed before this aware instant.
            since: Closed at or after it.
            person_id: Only this technician's.
            device_id: Only on this device.
            session_id: Only this one.
            after: `ShelfPage.after` of the page before.
            limit: At most so many.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        closed, opened = sessions_closed.c, sessions_opened.c
        query = self._joined().where(~_exists(sessions_purged))
        if before is not None:
            query = query.where(closed.closed_at < before)
        if since is not None:
            query = query.where(closed.closed_at >= since)
        for column, wanted in (
            (opened.person_id, person_id),
            (opened.device_id, device_id),
            (opened.session_id, session_id),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        if after is not None:
            query = query.where(tuple_(closed.closed_at, closed.session_id) > after)
        query = query.order_by(closed.closed_at, closed.session_id).limit(limit + 1)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        following = None if last is None else (last.closed_at, last.session_id)
        # equal: no instant that is read stands for these rows, which come last, and would come again for ever
        return ShelfPage([_trace(row) for row in rows[:limit]], following if following != after else None)

    async def begun(self, at: datetime, session_id: str | None = None) -> list[BegunPurge]:
        """Purges that were begun and not finished, and that the store does not delay beyond *at*.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        table = purge_records.c
        due = or_(table.kept_until.is_(None), table.kept_until <= at, ~_exists(sessions_purged))
        query = (
            self._joined(table.content, table.signature, table.kept_until)
            .join(purge_records, _same(purge_records))
            .where(~_exists(purges_finished), due)
        )
        if session_id is not None:
            query = query.where(table.session_id == session_id)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [
            BegunPurge(
                _trace(row),
                row.content.encode("utf-8", "surrogatepass"),
                bytes.fromhex(row.signature),
                row.kept_until,
            )
            for row in rows
        ]

    async def waiting(self) -> list[BegunPurge]:
        """Every purge of which the store still keeps something. Raises SQLAlchemyError."""
        return await self.begun(datetime.max.replace(tzinfo=self._now().tzinfo))

    async def begin(
        self, trace: ClosedTrace, content: bytes, signature: bytes, kept_until: datetime | None
    ) -> None:
        """Keep a record before anything is destroyed. Raises IntegrityError where there is one."""
        row = {
            **self._ids(trace),
            "made_at": self._now(),
            "kept_until": kept_until,
            "content": content.decode(),
            "signature": signature.hex(),
        }
        async with self.database.write() as connection:
            await connection.execute(insert(purge_records), row)

    async def purged(self, trace: ClosedTrace, purge_sha256: str) -> None:
        """Note that the record lies in the store: the next checkpoint commits to it; once."""
        row = {**self._ids(trace), "purged_at": self._now(), "purge_sha256": purge_sha256}
        async with self.database.write() as connection:
            if not (await connection.execute(self._one(sessions_purged, trace))).first():
                await connection.execute(insert(sessions_purged), row)

    async def finished(self, trace: ClosedTrace) -> None:
        """Note that nothing of the content is left; once."""
        row = {**self._ids(trace), "at": self._now()}
        async with self.database.write() as connection:
            if not (await connection.execute(self._one(purges_finished, trace))).first():
                await connection.execute(insert(purges_finished), row)

    async def purged_at(self, sessions: Sequence[str]) -> dict[str, datetime]:
        """Since when the content of some sessions' traces is gone; those that were not purged are left out.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        table = sessions_purged.c
        query = select(table.session_id, table.purged_at).where(
            table.hospital_id == self.hospital_id, table.session_id.in_(list(sessions))
        )
        async with self.database.read() as connection:
            return {row.session_id: row.purged_at for row in await connection.execute(query)}

    async def held(self) -> dict[str, TracePlace]:
        """Traces that the store was told to hold, by session. Raises SQLAlchemyError."""
        later = holds_stored.alias("later")
        newer = exists().where(
            later.c.hospital_id == holds_stored.c.hospital_id,
            later.c.session_id == holds_stored.c.session_id,
            later.c.number > holds_stored.c.number,
        )
        query = self._joined().join(holds_stored, _same(holds_stored)).where(holds_stored.c.held, ~newer)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row.session_id: _trace(row).place for row in rows}

    async def note_hold(self, session_id: str, *, held: bool) -> None:
        """Note what the store was told about one trace."""
        table = holds_stored.c
        count = select(func.count()).where(
            table.hospital_id == self.hospital_id, table.session_id == session_id
        )
        async with self.database.write() as connection:
            number = (await connection.execute(count)).scalar_one() + 1
            row = {"hospital_id": self.hospital_id, "session_id": session_id, "number": number}
            await connection.execute(insert(holds_stored), {**row, "at": self._now(), "held": held})

    async def totals(self, before: datetime) -> tuple[int, int]:
        """How many traces that were not purged closed before *before*, and their bytes. Raises SQLAlchemyError."""
        table = sessions_closed.c
        # a size that no trace has would overflow the sum, and end every purge
        size = case((table.size.between(0, _LARGEST), table.size), else_=0)
        query = select(func.count(), func.coalesce(func.sum(size), 0)).where(
            table.hospital_id == self.hospital_id, table.closed_at < before, ~_exists(sessions_purged)
        )
        async with self.database.read() as connection:
            row = (await connection.execute(query)).one()
        return int(row[0]), int(row[1])

    def _joined(self, *more: Any) -> Select[Any]:
        closed = sessions_closed.c
        columns = (
            *sessions_opened.c,
            closed.closed_at,
            closed.size,
            closed.manifest_sha256,
            checkpoints.c.at.label("noted_at"),
        )
        told = and_(_same(checkpoint_facts), checkpoint_facts.c.fact == "closed")
        by = and_(
            checkpoints.c.hospital_id == checkpoint_facts.c.hospital_id,
            checkpoints.c.sequence == checkpoint_facts.c.sequence,
        )
        return (
            select(*columns, *more)
            .select_from(sessions_closed)
            .join(sessions_opened, _same(sessions_opened))
            .outerjoin(checkpoint_facts, told)
            .outerjoin(checkpoints, by)
            .where(closed.hospital_id == self.hospital_id)
        )

    def _ids(self, trace: ClosedTrace) -> dict[str, Any]:
        return {"hospital_id": self.hospital_id, "session_id": trace.header.session_id}

    def _one(self, table: Any, trace: ClosedTrace) -> Select[Any]:
        return select(table.c.session_id).where(
            table.c.hospital_id == self.hospital_id, table.c.session_id == trace.header.session_id
        )


def _trace(row: Row[Any]) -> ClosedTrace:
    told = told_by(row)
    altered = told.altered is not None
    return ClosedTrace(told.header, row.closed_at, row.size, row.manifest_sha256, row.noted_at, altered)


def _same(table: Any) -> Any:
    return and_(
        table.c.hospital_id == sessions_closed.c.hospital_id,
        table.c.session_id == sessions_closed.c.session_id,
    )


def _exists(table: Any) -> Any:
    return exists().where(_same(table))
