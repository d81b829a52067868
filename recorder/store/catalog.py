"""The catalogue of sessions: what was recorded, by whom, on what, and how it ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Row, Select, and_, false, select, tuple_

from recorder.errors import TraceFormatError, TraceNotFound
from recorder.store.database import Database
from recorder.store.headers import columns_of, told_by
from recorder.store.insertions import Insertions
from recorder.store.tables import sessions_closed, sessions_opened
from recorder.trace import instants
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest

MAX_PAGE = 500


class SessionState(Enum):
    """Where a session is in its life."""

    LIVE = "live"
    ENDED = "ended"
    LOST = "lost"
    """It has no end, and its gateway is gone; the trace waits in that gateway's spool."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How a session ended; see `Manifest`."""

    closed_at: datetime
    end_reason: str
    interrupted: bool
    records: int
    size: int
    trimmed_bytes: int
    manifest_sha256: str
    signer: str


@dataclass(frozen=True, slots=True)
class CatalogedSession:
    """One session of the catalogue; ``closing`` is None while it has no end.

    ``altered``: its row is not what a gateway writes, and ``header`` is made of its columns (`headers.told_by`).
    """

    header: TraceHeader
    state: SessionState
    closing: Closing | None
    altered: bool = False

    @property
    def closed_at(self) -> datetime | None:
        """When it ended, aware UTC, by the gateway's word; None while it has no end."""
        return None if self.closing is None else self.closing.closed_at


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilters:
    """Which sessions to list.

    Attributes:
        hospital_id: Whose sessions; never another's.
        person_id: Only this technician's.
        device_id: Only on this device.
        supplier_id: Only of this supplier's technicians.
        state: Only these.
        since: Opened at or after this aware instant.
        until: Opened before this aware instant.
        live_nodes: Gateways known to live; a session without end elsewhere is lost. None: all live.
    """

    hospital_id: str
    person_id: str | None = None
    device_id: str | None = None
    supplier_id: str | None = None
    state: SessionState | None = None
    since: datetime | None = None
    until: datetime | None = None
    live_nodes: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page, the newest session first; ``after`` asks for the next one, None at the end."""

    sessions: list[CatalogedSession]
    after: str | None


class Catalog:
    """The catalogue in its database; the gateway only inserts.

    Args:
        database: Holds the tables; migrated.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insertions = Insertions(database)

    @property
    def database(self) -> Database:
        """Where it is."""
        return self._database

    async def opened(self, header: TraceHeader) -> None:
        """Note that a session opened; nothing happens when it is noted already.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        row = {**columns_of(header), "header": header.to_json().decode()}
        await self._insertions.add(sessions_opened, row)

    async def closed(self, manifest: Manifest, manifest_sha256: str) -> None:
        """Note that a session closed; nothing happens when it is noted already.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        row = {
            "hospital_id": manifest.hospital_id,
            "session_id": manifest.session_id,
            "closed_at": manifest.closed_at,
            "end_reason": manifest.end_reason,
            "interrupted": manifest.interrupted,
            "records": manifest.records,
            "size": manifest.size,
            "trimmed_bytes": manifest.trimmed_bytes,
            "manifest_sha256": manifest_sha256,
            "signer": manifest.signer,
            "lasted": (manifest.closed_at - manifest.opened_at) // timedelta(microseconds=1),
        }
        await self._insertions.add(sessions_closed, row)

    async def sessions(
        self, filters: SessionFilters, *, after: str | None = None, limit: int = 100
    ) -> SessionPage:
        """A page of sessions, the newest first.

        Args:
            filters: Which.
            after: `SessionPage.after` of the page before.
            limit: At most so many, 1 to `MAX_PAGE`.

        Raises:
            TraceNotFound: The cursor is none of ours.
            SQLAlchemyError: The database refuses.
        """
        limit = max(1, min(limit, MAX_PAGE))
        query = _narrowed(joined(filters.hospital_id), filters)
        if after is not None:
            query = query.where(
                tuple_(sessions_opened.c.started_at, sessions_opened.c.session_id) < _place(after)
            )
        query = query.order_by(
            sessions_opened.c.started_at.desc(), sessions_opened.c.session_id.desc()
        ).limit(limit + 1)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = [cataloged(row, filters.live_nodes) for row in rows[:limit]]
        following = _cursor(rows[limit - 1]) if len(rows) > limit else None
        # equal: no instant that is read stands for these rows, which come last, and would come again for ever
        return SessionPage(found, following if following != after else None)

    async def session(
        self, hospital_id: str, session_id: str, *, live_nodes: Collection[str] | None = None
    ) -> CatalogedSession:
        """One session of one hospital.

        Raises:
            TraceNotFound: This hospital has none of that identifier.
            SQLAlchemyError: The database refuses.
        """
        query = joined(hospital_id).where(sessions_opened.c.session_id == session_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise TraceNotFound(f"no session {session_id} is in the catalogue")
        return cataloged(row, live_nodes)


def joined(hospital_id: str) -> Select[Any]:
    """Return the query for a hospital's sessions, with their ends where they have one."""
    same = and_(
        sessions_closed.c.hospital_id == sessions_opened.c.hospital_id,
        sessions_closed.c.session_id == sessions_opened.c.session_id,
    )
    closing = [sessions_closed.c[name] for name in Closing.__dataclass_fields__]
    return (
        select(sessions_opened, *closing)
        .select_from(sessions_opened.outerjoin(sessions_closed, same))
        .where(sessions_opened.c.hospital_id == hospital_id)
    )


def _narrowed(query: Select[Any], filters: SessionFilters) -> Select[Any]:
    opened = sessions_opened.c
    if filters.person_id is not None:
        query = query.where(opened.person_id == filters.person_id)
    if filters.device_id is not None:
        query = query.where(opened.device_id == filters.device_id)
    if filters.supplier_id is not None:
        query = query.where(opened.supplier_id == filters.supplier_id)
    if filters.since is not None:
        query = query.where(opened.started_at >= filters.since)
    if filters.until is not None:
        query = query.where(opened.started_at < filters.until)
    if filters.state is None:
        return query
    ended = sessions_closed.c.closed_at.is_not(None)
    if filters.state is SessionState.ENDED:
        return query.where(ended)
    query = query.where(~ended)
    if filters.live_nodes is None:
        return query if filters.state is SessionState.LIVE else query.where(false())
    alive = opened.node.in_(list(filters.live_nodes))
    return query.where(alive if filters.state is SessionState.LIVE else ~alive)


def cataloged(row: Row[Any], live_nodes: Collection[str] | None) -> CatalogedSession:
    """Return a row of `joined` as a session; without end it is live where its gateway is among *live_nodes*."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    told = told_by(row)
    header, altered = told.header, told.altered is not None
    if values["closed_at"] is not None:
        closing = Closing(**{name: values[name] for name in Closing.__dataclass_fields__})
        return CatalogedSession(header, SessionState.ENDED, closing, altered)
    alive = live_nodes is None or header.node in live_nodes
    return CatalogedSession(header, SessionState.LIVE if alive else SessionState.LOST, None, altered)


def _cursor(row: Row[Any]) -> str:
    return f"{instants.text(row.started_at)}/{row.session_id}"


def _place(after: str) -> tuple[datetime, str]:
    at, _, session_id = after.partition("/")
    try:
        return instants.parse(at), session_id
    except TraceFormatError as error:
        raise TraceNotFound("this cursor was not given by the list") from error
