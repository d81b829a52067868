"""Sessions that gateways hold, and the gateways' own signs of life."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    ScalarSelect,
    Update,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from policy.domain.access import Grant, RevocationScope
from policy.domain.ids import HospitalId, PersonId, SessionId
from policy.domain.sessions import INTERRUPTED, Closing, Earlier, LiveSession, SessionState
from policy.store import mapping
from policy.store import tables as t
from policy.store.dialects import hold, insertion
from policy.store.repositories.repository import Repository

_s = t.sessions.c
_n = t.nodes.c


def live_sessions_of(
    hospital_id: ColumnElement[str] | str,
    person_id: ColumnElement[str] | str,
    beat_since: BindParameter[datetime] | datetime,
) -> ScalarSelect[int]:
    """Return, as a subquery, how many sessions of a person are open on gateways that beat since *beat_since*."""
    return (
        select(func.count())
        .select_from(t.sessions.join(t.nodes, _n.node == _s.node))
        .where(
            (_s.hospital_id == hospital_id)
            & (_s.person_id == person_id)
            & _s.closed_at.is_(None)
            & (_n.beat_at >= beat_since)
        )
        .scalar_subquery()
    )


class Leases(Repository):
    """Tables ``sessions`` and ``nodes``."""

    async def beat(self, node: str, at: datetime, *, began_for: HospitalId | None = None) -> None:
        """Note that gateway *node* is alive at *at*; *began_for*: that it has just begun, and whose it is."""
        fresh: dict[str, Any] = {"beat_at": at}
        if began_for is not None:
            fresh |= {"started_at": at, "hospital_id": began_for}
        statement = insertion(self._connection, t.nodes).values({"node": node, "started_at": at} | fresh)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["node"], set_=fresh))

    async def living(self, hospital_id: HospitalId, beat_since: datetime) -> Mapping[str, datetime]:
        """Return the hospital's gateways that beat since *beat_since*, and when each began."""
        query = select(_n.node, _n.started_at).where(
            (_n.hospital_id == hospital_id) & (_n.beat_at >= beat_since)
        )
        return {row.node: row.started_at for row in await self._connection.execute(query)}

    async def end_left_open(self, hospital_id: HospitalId, node: str, at: datetime) -> Sequence[LiveSession]:
        """End what *node* left open, as of its last sign of life, and return it."""
        return await self._end(hospital_id, _s.node == node, at)

    async def end_left_behind(
        self, hospital_id: HospitalId, silent_since: datetime, at: datetime
    ) -> Sequence[LiveSession]:
        """End what is beyond its hard end by *at* and was held by gateways that have been silent since *silent_since*.

        Each ends as of its gateway's last sign of life, and is returned. Of two that ask at once each is given to one.
        """
        there = select(_n.node).where(_n.beat_at >= silent_since)
        return await self._end(hospital_id, (_s.hard_end <= at) & _s.node.not_in(there), at)

    async def _end(
        self, hospital_id: HospitalId, held: ColumnElement[bool], at: datetime
    ) -> Sequence[LiveSession]:
        beat = select(_n.beat_at).where(_n.node == _s.node).scalar_subquery()
        open_ones = (_s.hospital_id == hospital_id) & _s.closed_at.is_(None)
        # in one order, as ``close`` does: two that end several at once would else wait for each other
        those = select(_s.id).where(open_ones & held).order_by(_s.id).with_for_update().correlate(None)
        ended = await self._connection.execute(
            update(t.sessions)
            .where(open_ones & _s.id.in_(those))
            .values(closed_at=case((beat > _s.opened_at, beat), else_=_s.opened_at), end_reason=INTERRUPTED)
            .returning(_s.id)
        )
        return await self.list(hospital_id, at, session_ids=ended.scalars().all())

    async def hold_person(self, hospital_id: HospitalId, person_id: PersonId) -> None:
        """Keep other units of work from counting this person's sessions until the end of this one.

        By a lock of its own, not her row's: who counts need not be allowed to change people.
        """
        await hold(self._connection, f"{hospital_id}/person/{person_id}")

    async def count_live(self, hospital_id: HospitalId, person_id: PersonId, beat_since: datetime) -> int:
        """Return how many sessions of the person are open on gateways that beat since *beat_since*."""
        query = select(live_sessions_of(hospital_id, person_id, beat_since))
        return (await self._connection.execute(query)).scalar_one()

    async def sources(
        self, hospital_id: HospitalId, people: Collection[PersonId], beat_since: datetime
    ) -> Mapping[PersonId, frozenset[str]]:
        """Return where the live sessions of these *people* come from, on gateways that beat since *beat_since*."""
        query = (
            select(_s.person_id, _s.source)
            .select_from(t.sessions.join(t.nodes, _n.node == _s.node))
            .where(
                (_s.hospital_id == hospital_id)
                & _s.person_id.in_(list(people))
                & _s.closed_at.is_(None)
                & (_n.beat_at >= beat_since)
            )
        )
        found: dict[PersonId, set[str]] = defaultdict(set)
        for row in await self._connection.execute(query):
            found[row.person_id].add(row.source)
        return {person: frozenset(sources) for person, sources in found.items()}

    async def open(self, grant: Grant, node: str) -> None:
        """Add the session of *grant*, held by *node*."""
        row = {
            "hospital_id": grant.hospital_id,
            "id": grant.session_id,
            "person_id": grant.person_id,
            "supplier_id": grant.supplier_id,
            "device_id": grant.device_id,
            "account_name": grant.account_name,
            "window_id": grant.window_id,
            "node": node,
            "source": grant.source,
            "opened_at": grant.issued_at,
            "hard_end": grant.obligations.hard_end,
            "granted": grant.canonical_bytes().decode(),
        }
        await self._connection.execute(insert(t.sessions).values(row))

    async def earlier(self, grant: Grant) -> Earlier | None:
        """Return what came before the session of *grant*, not added yet; None where she is there for the first time.

        The sessions of one intervention count, whatever their windows.
        """
        w = t.windows.c
        windows = select(w.id).where(
            (w.hospital_id == grant.hospital_id) & (w.intervention_id == grant.intervention_id)
        )
        same = (_s.hospital_id == grant.hospital_id) & _s.window_id.in_(windows)
        mine = (_s.person_id == grant.person_id) & (_s.device_id == grant.device_id)
        # counted there: whoever watches a device by a program comes back a hundred thousand times in a year
        number = select(func.count()).select_from(t.sessions).where(same).scalar_subquery()
        query = (
            select(_s.closed_at, _s.end_reason, number.label("number"))
            .where(same & mine)
            .order_by(_s.opened_at.desc(), _s.id)
            .limit(1)
        )
        last = (await self._connection.execute(query)).first()
        if last is None:
            return None
        return Earlier(number=last.number + 1, closed_at=last.closed_at, end_reason=last.end_reason)

    async def close(
        self, closings: Sequence[Closing]
    ) -> Mapping[tuple[HospitalId, SessionId], datetime | None]:
        """End these sessions, each named once: those that are open and those that somebody else took for interrupted.

        Returns them, with the instant as of which the latter had been ended; None for what was open.
        """
        open_ones = select(_s.hospital_id, _s.id, _s.closed_at).where(
            _s.hospital_id.in_({one.hospital_id for one in closings})
            & _s.id.in_([one.session_id for one in closings])
            & (_s.closed_at.is_(None) | (_s.end_reason == INTERRUPTED))
        )
        # held until the end of this transaction: who ends what was left behind must not do so meanwhile; in one order,
        # or two that end several at once would wait for each other
        rows = await self._connection.execute(open_ones.order_by(_s.hospital_id, _s.id).with_for_update())
        found = {(row.hospital_id, row.id): row.closed_at for row in rows}
        told = [
            {"in": one.hospital_id, "which": one.session_id, "at": one.at, "why": one.reason}
            for one in closings
            if (one.hospital_id, one.session_id) in found
        ]
        if told:
            await self._connection.execute(_close(), told)
        return found

    async def list(
        self,
        hospital_id: HospitalId,
        beat_since: datetime,
        *,
        session_ids: Collection[SessionId] | None = None,
        ended_since: datetime | None = None,
        person_id: PersonId | None = None,
    ) -> Sequence[LiveSession]:
        """Return the sessions open, and those closed at *ended_since* or later, newest first; one person's if given.

        With *session_ids*, these are returned instead, open or not. A session counts as lost where its gateway has not
        beaten since *beat_since*.
        """
        same_person = (t.people.c.hospital_id == _s.hospital_id) & (t.people.c.id == _s.person_id)
        same_device = (t.devices.c.hospital_id == _s.hospital_id) & (t.devices.c.id == _s.device_id)
        wanted: ColumnElement[bool] = _s.closed_at.is_(None)
        if ended_since is not None:
            wanted |= _s.closed_at >= ended_since
        if session_ids is not None:
            wanted = _s.id.in_(list(session_ids))
        if person_id is not None:
            wanted &= _s.person_id == person_id
        query = (
            select(
                t.sessions,
                t.people.c.login.label("person_login"),
                t.devices.c.name.label("device_name"),
                func.coalesce(_n.beat_at >= beat_since, False).label("held"),
            )
            .select_from(
                t.sessions.join(t.people, same_person)
                .join(t.devices, same_device)
                .outerjoin(t.nodes, _n.node == _s.node)
            )
            .where((_s.hospital_id == hospital_id) & wanted)
            .order_by(_s.opened_at.desc(), _s.id)
        )
        return [_session(row) for row in await self._connection.execute(query)]

    async def exists(self, hospital_id: HospitalId, session_id: SessionId) -> bool:
        """Tell whether there is such a session in this hospital, open or not."""
        query = select(_s.id).where((_s.hospital_id == hospital_id) & (_s.id == session_id))
        return (await self._connection.execute(query)).first() is not None

    async def open_in(
        self, hospital_id: HospitalId, scope: RevocationScope, target: str
    ) -> tuple[int, datetime | None]:
        """Return how many sessions are open in *scope*, and when the newest was granted, None where there is none."""
        where = (_s.hospital_id == hospital_id) & _s.closed_at.is_(None)
        column = {
            RevocationScope.SESSION: _s.id,
            RevocationScope.PERSON: _s.person_id,
            RevocationScope.SUPPLIER: _s.supplier_id,
            RevocationScope.DEVICE: _s.device_id,
        }.get(scope)
        if column is not None:
            where &= column == target
        found = select(func.count(), func.max(_s.opened_at)).where(where)
        count, newest = (await self._connection.execute(found)).one()
        return count, newest


@cache
def _close() -> Update:
    """By its key alone: a session that this transaction holds, and found open or taken for interrupted."""
    where = (_s.hospital_id == bindparam("in")) & (_s.id == bindparam("which"))
    return update(t.sessions).where(where).values(closed_at=bindparam("at"), end_reason=bindparam("why"))


def _session(row: Row[Any]) -> LiveSession:
    if row.closed_at is not None:
        state = SessionState.ENDED
    else:
        state = SessionState.LIVE if row.held else SessionState.LOST
    return mapping.read(LiveSession, row, session_id=row.id, state=state)
