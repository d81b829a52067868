"""Who was there: the sessions that overlap an instant or a period, found without walking the catalogue.

A session is the half-open span ``[started, ended)``. Nearly all are short, so that those that can overlap began within
`USUAL` before the period: an index over when they began finds them. The longer ones are found by an index over how
long they lasted, which no filter can hide. What has no end is counted for `LONGEST` from its start, which is longer
than policy lets any session last: nobody is said to be there years after a gateway was lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, exists, select, text, type_coerce

from recorder.store.catalog import CatalogedSession, cataloged, joined
from recorder.store.database import Database
from recorder.store.tables import sessions_closed, sessions_opened

USUAL: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=32)
INSTANT: Final = timedelta(microseconds=1)
"""How long an instant is: one tick of the catalogue's clock."""
MAX_PRESENT: Final = 500
_BATCH: Final = 500
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


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

    @property
    def end(self) -> datetime:
        """The end of the period, of an instant too."""
        return self.until if self.until is not None else self.since + INSTANT


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
        if database.dialect == "postgresql":
            # to start a helper takes longer than any of these questions
            await connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
        # asked for by name afterwards: in a join the database may begin with everything that ever was on the device
        names = [row.session_id for query in namings(period) for row in await connection.execute(query)]
        for query in (usual_ones(period), *(_named(period, part) for part in _parts(names))):
            for row in await connection.execute(query.limit(limit + 1)):
                found[row.session_id] = cataloged(row, period.live_nodes)
    sessions = sorted(found.values(), key=lambda one: (one.header.started_at, one.header.session_id))
    return Present(sessions[:limit], len(sessions) > limit)


def usual_ones(period: Period) -> Select[Any]:
    """Return the query for the sessions that began within `USUAL` of the period and have ended, the earliest first."""
    began = sessions_opened.c.started_at
    query = joined(period.hospital_id).where(*_whom(period))
    query = query.where(began > period.since - USUAL, began < period.end)
    return query.where(sessions_closed.c.closed_at > period.since).order_by(
        began, sessions_opened.c.session_id
    )


def namings(period: Period) -> tuple[Select[Any], Select[Any]]:
    """Return the queries for the identifiers of the longer sessions, of everybody, and of those without an end."""
    closed, opened = sessions_closed.c, sessions_opened.c
    began = type_coerce(closed.closed_at, BigInteger) - closed.lasted
    longer = select(closed.session_id).where(
        closed.hospital_id == period.hospital_id,
        closed.lasted > USUAL // INSTANT,
        closed.closed_at > period.since,
        began < (period.end - _EPOCH) // INSTANT,
    )
    ended = exists().where(closed.hospital_id == opened.hospital_id, closed.session_id == opened.session_id)
    unended = select(opened.session_id).where(
        opened.hospital_id == period.hospital_id,
        *_whom(period),
        opened.started_at > period.since - LONGEST,
        opened.started_at < period.end,
        ~ended,
    )
    return longer, unended


def _named(period: Period, sessions: Sequence[str]) -> Select[Any]:
    opened = sessions_opened.c
    query = joined(period.hospital_id).where(*_whom(period))
    return query.where(opened.session_id.in_(sessions)).order_by(opened.started_at)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[first : first + _BATCH] for first in range(0, len(names), _BATCH))


def _whom(period: Period) -> Iterator[ColumnElement[bool]]:
    opened = sessions_opened.c
    for column, value in (
        (opened.device_id, period.device_id),
        (opened.person_id, period.person_id),
        (opened.supplier_id, period.supplier_id),
    ):
        if value is not None:
            yield column == value
