"""Alarms, what is counted before one is raised, and the messages about them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select, update

from policy.domain.alarms import Alarm, AlarmState, Answer, Call, Severity
from policy.domain.ids import HospitalId, PersonId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.alarms.c
_n = t.alarm_tallies.c
_m = t.alarm_calls.c


class Alarms(Repository):
    """Tables ``alarms`` and ``alarm_tallies``."""

    async def insert(self, alarm: Alarm) -> None:
        """Add an alarm; of one cause only one can be open."""
        await self._connection.execute(insert(t.alarms).values(_row(alarm)))

    async def update(self, alarm: Alarm) -> None:
        """Write the alarm's present values."""
        where = (_c.hospital_id == alarm.hospital_id) & (_c.id == alarm.id)
        await self._connection.execute(update(t.alarms).where(where).values(_row(alarm)))

    async def get(self, hospital_id: HospitalId, alarm_id: str, *, hold: bool = False) -> Alarm:
        """Return one, kept from other writers until the end of the unit of work if *hold*; raises NotFound."""
        query = select(t.alarms).where((_c.hospital_id == hospital_id) & (_c.id == alarm_id))
        return _alarm(await self._only(query.with_for_update() if hold else query, "alarm", alarm_id))

    async def open_one(self, hospital_id: HospitalId, kind: str, key: str) -> Alarm | None:
        """Return the alarm of that cause that is not closed, None where there is none; nobody else writes it now."""
        where = (_c.hospital_id == hospital_id) & (_c.open_key == _open_key(kind, key))
        row = (await self._connection.execute(select(t.alarms).where(where).with_for_update())).first()
        return None if row is None else _alarm(row)

    async def list(
        self, hospital_id: HospitalId, states: Collection[AlarmState], limit: int
    ) -> Sequence[Alarm]:
        """Return at most *limit* alarms in these *states*, the one seen last first.

        Where there are more, what is not closed is kept, and of that the gravest: a stranger who raises many small ones
        hides no other.
        """
        wanted = (_c.hospital_id == hospital_id) & _c.state.in_([state.value for state in states])
        ranks = {severity.value: rank for rank, severity in enumerate(Severity)}
        closed = len(ranks)
        weight = case((_c.state == AlarmState.CLOSED.value, closed), else_=case(ranks, value=_c.severity))
        query = select(t.alarms).where(wanted).order_by(weight, _c.last_at.desc(), _c.id).limit(limit)
        found = [_alarm(row) for row in await self._connection.execute(query)]
        return sorted(sorted(found, key=lambda one: one.id), key=lambda one: one.last_at, reverse=True)

    async def opened_since(self, hospital_id: HospitalId, kind: str, since: datetime) -> int:
        """Return how many alarms of that kind were first seen at *since* or later."""
        where = (_c.hospital_id == hospital_id) & (_c.kind == kind) & (_c.first_at >= since)
        return (
            await self._connection.execute(select(func.count()).select_from(t.alarms).where(where))
        ).scalar_one()

    async def count(self, hospital_id: HospitalId, state: AlarmState) -> int:
        """Return how many alarms are in that *state*."""
        where = (_c.hospital_id == hospital_id) & (_c.state == state.value)
        query = select(func.count()).select_from(t.alarms).where(where)
        return (await self._connection.execute(query)).scalar_one()

    async def tally(self, hospital_id: HospitalId, name: str, at: datetime) -> tuple[int, datetime] | None:
        """Return what was counted under *name* and until when it counts, None where its period is over at *at*."""
        where = (_n.hospital_id == hospital_id) & (_n.name == name) & (_n.until > at)
        row = (await self._connection.execute(select(t.alarm_tallies).where(where))).first()
        return None if row is None else (row.amount, row.until)

    async def put_tally(self, hospital_id: HospitalId, name: str, amount: int, until: datetime) -> None:
        """Write what was counted under *name*, and until when it counts."""
        where = (_n.hospital_id == hospital_id) & (_n.name == name)
        values = {"amount": amount, "until": until}
        done = await self._connection.execute(update(t.alarm_tallies).where(where).values(values))
        if done.rowcount == 0:
            row = {"hospital_id": hospital_id, "name": name, **values}
            await self._connection.execute(insert(t.alarm_tallies).values(row))

    async def forget_tallies(self, hospital_id: HospitalId, before: datetime) -> None:
        """Remove what counted until *before*."""
        where = (_n.hospital_id == hospital_id) & (_n.until < before)
        await self._connection.execute(delete(t.alarm_tallies).where(where))


class Calls(Repository):
    """Table ``alarm_calls``."""

    async def insert(self, call: Call) -> None:
        """Add a message."""
        await self._connection.execute(insert(t.alarm_calls).values(mapping.columns(call)))

    async def due(self, hospital_id: HospitalId, at: datetime, limit: int) -> Sequence[Call]:
        """Return at most *limit* messages to be tried at *at*, those that wait longest first."""
        waiting = (_m.hospital_id == hospital_id) & _m.delivered_at.is_(None) & _m.abandoned_at.is_(None)
        query = select(t.alarm_calls).where(waiting & (_m.next_try_at <= at))
        rows = await self._connection.execute(query.order_by(_m.next_try_at, _m.id).limit(limit))
        return [mapping.read(Call, row) for row in rows]

    async def waiting(self, hospital_id: HospitalId) -> int:
        """Return how many messages have neither arrived nor been given up."""
        waiting = (_m.hospital_id == hospital_id) & _m.delivered_at.is_(None) & _m.abandoned_at.is_(None)
        query = select(func.count()).select_from(t.alarm_calls).where(waiting)
        return int((await self._connection.execute(query)).scalar_one())

    async def of_alarm(self, hospital_id: HospitalId, alarm_id: str) -> Sequence[Call]:
        """Return the messages about an alarm, the oldest first."""
        where = (_m.hospital_id == hospital_id) & (_m.alarm_id == alarm_id)
        rows = await self._connection.execute(
            select(t.alarm_calls).where(where).order_by(_m.queued_at, _m.id)
        )
        return [mapping.read(Call, row) for row in rows]

    async def claim(self, call: Call, next_try_at: datetime) -> bool:
        """Count one more try, the next not before *next_try_at*; False where another process took it."""
        where = (
            (_m.hospital_id == call.hospital_id)
            & (_m.id == call.id)
            & (_m.tries == call.tries)
            & _m.delivered_at.is_(None)
            & _m.abandoned_at.is_(None)
        )
        values = {"tries": call.tries + 1, "next_try_at": next_try_at}
        done = await self._connection.execute(update(t.alarm_calls).where(where).values(values))
        return done.rowcount == 1

    async def settle(
        self,
        call: Call,
        *,
        delivered_at: datetime | None = None,
        abandoned_at: datetime | None = None,
        fault: str | None = None,
    ) -> None:
        """Write what became of a try."""
        where = (_m.hospital_id == call.hospital_id) & (_m.id == call.id)
        values = {"delivered_at": delivered_at, "abandoned_at": abandoned_at, "fault": fault}
        await self._connection.execute(update(t.alarm_calls).where(where).values(values))


def _open_key(kind: str, key: str) -> str:
    return f"{kind}:{key}"


def _row(alarm: Alarm) -> dict[str, Any]:
    open_key = None if alarm.state is AlarmState.CLOSED else _open_key(alarm.kind, alarm.key)
    found = mapping.columns(alarm, "acknowledged", "closed", open_key=open_key)
    for name, answer in (("acknowledged", alarm.acknowledged), ("closed", alarm.closed)):
        if answer is not None:
            found |= {f"{name}_by": answer.by, f"{name}_at": answer.at, f"{name}_note": answer.note}
    return found


def _alarm(row: Row[Any]) -> Alarm:
    return mapping.read(
        Alarm,
        row,
        severity=Severity(row.severity),
        state=AlarmState(row.state),
        acknowledged=_answer(row.acknowledged_by, row.acknowledged_at, row.acknowledged_note),
        closed=_answer(row.closed_by, row.closed_at, row.closed_note),
    )


def _answer(by: PersonId | None, at: datetime | None, note: str | None) -> Answer | None:
    return None if by is None or at is None else Answer(by=by, at=at, note=note or "")
