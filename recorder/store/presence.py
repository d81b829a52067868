"""Who was there: the sessions that overlap an instant or a period, found without walking the catalogue.

A session is the half-open span ``[started, ended)``. Almost every one is shorter than `USUAL`, so that those that can
overlap began within `USUAL` before the period: an index over when they began finds them. The few longer ones (a clock
that was stepped, a limit changed since) are found by how long they lasted. What has no end is counted for `USUAL`
from its start, which is longer than policy lets any session last: nobody is said to be there years after a gateway
was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, or_, select

from recorder.store.catalog import CatalogedSession, cataloged, joined
from recorder.store.database import Database
from recorder.store.tables import sessions_closed, sessions_opened

USUAL: Final = timedelta(days=32)
INSTANT: Final = timedelta(microseconds=1)
"""How long an instant is: one tick of the catalogue's clock."""
MAX_PRESENT: Final = 500
_BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Which sessions to look for.

    Attributes:
        hospital_id: Whose sessions; never another's.
        since: The period's begin, aware.
        until: Its end, aware, no part of it; None: an instant.
        device_id: Only on this device.
        person_id: Only this technician's.
        supplier_id: Only of this supplier's people.
        live_nodes: Gateways known to live; a session without end elsewhere is lost. None: all live.
    """

    hospital_id: str
    since: datetime
    until: datetime | None = None
    device_id: str | None = None
    person_id: str | None = None
    supplier_id: str | None = None
    live_nodes: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """The sessions found, the earliest first, and whether there are more than were asked for."""

    sessions: list[CatalogedSession]
    more: bool


async def present(database: Database, period: Period, limit: int = MAX_PRESENT) -> Present:
    """Return the sessions that overlap *period*, at most *limit*.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    limit = max(1, min(limit, MAX_PRESENT))
    found: dict[str, CatalogedSession] = {}
    async with database.read() as connection:
        longer = [row.session_id for row in await connection.execute(longer_ones(period))]
        queries = [usual_ones(period)]
        # asked for by name: a join would be free to begin with everything that ever was on the device
        queries += [_named(period, part) for part in _parts(longer)]
        for query in queries:
            for row in await connection.execute(query.limit(limit + 1)):
                found[row.session_id] = cataloged(row, period.live_nodes)
    sessions = sorted(found.values(), key=lambda one: (one.header.started_at, one.header.session_id))
    return Present(sessions[:limit], len(sessions) > limit)


def usual_ones(period: Period) -> Select[Any]:
    """Return the query for the sessions that began within `USUAL` of the period, the earliest first."""
    began, ended = sessions_opened.c.started_at, sessions_closed.c.closed_at
    there = or_(ended.is_(None), ended > period.since)
    query = _narrowed(period).where(began > period.since - USUAL).where(began < _until(period)).where(there)
    return query.order_by(began, sessions_opened.c.session_id)


def longer_ones(period: Period) -> Select[Any]:
    """Return the query for the identifiers of the sessions that lasted longer than `USUAL` and had not ended."""
    closed = sessions_closed.c
    return select(closed.session_id).where(
        (closed.hospital_id == period.hospital_id)
        & (closed.lasted > USUAL // INSTANT)
        & (closed.closed_at > period.since)
    )


def _named(period: Period, sessions: Sequence[str]) -> Select[Any]:
    opened = sessions_opened.c
    began = opened.started_at <= period.since - USUAL
    return _narrowed(period).where(opened.session_id.in_(sessions)).where(began).order_by(opened.started_at)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[first : first + _BATCH] for first in range(0, len(names), _BATCH))


def _until(period: Period) -> datetime:
    return period.until if period.until is not None else period.since + INSTANT


def _narrowed(period: Period) -> Select[Any]:
    opened = sessions_opened.c
    query = joined(period.hospital_id)
    for column, value in (
        (opened.device_id, period.device_id),
        (opened.person_id, period.person_id),
        (opened.supplier_id, period.supplier_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return query
