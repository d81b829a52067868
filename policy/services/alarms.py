"""Alarms: raised once for a cause, counted after that, told by mail and webhook, answered by people."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from policy.clock import Clock
from policy.domain.alarms import Alarm, AlarmState, Answer, Bookmark, Call, Severity, Sighting, Tally
from policy.domain.ids import DeviceId, HospitalId, PersonId, new_id
from policy.errors import AlreadySo, Conflict, NotFound
from policy.services import inputs
from policy.services.calls import CallQueue
from policy.services.duties import Duty
from policy.services.mails import MailQueue
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork

READER: Final = "alarms"
"""The name of the bookmarks that alarms are raised by."""
LONGEST_NOTE: Final = 2000
_LONGEST_FACT: Final = 300
_MOST_FACTS: Final = 24
_APART_A_DAY: Final = 5
"""So many causes of one kind below critical are alarms of their own in a day; those beyond are counted on one more.

Who can raise many by strangers' addresses shall drown no other, in the list, in the mail box and at the webhook."""
_DAY: Final = timedelta(days=1)
FURTHER: Final = "further"
"""The fact of an alarm that stands for many causes; its other facts are those of the last of them."""
_LONGEST_KEY: Final = 200
_LONGEST_TALLY: Final = 300
_LONGEST_NAME: Final = 64
_MOST_COUNTED: Final = 2**62
_KEPT: Final = timedelta(days=2)
"""How long a count that is over stays: sightings of several writers come in no order."""

_Cause = tuple[str, str]


class AlarmService(Service):
    """The register of alarms."""

    def __init__(
        self, database: Database, clock: Clock, mails: MailQueue, calls: CallQueue, settings: PolicySettings
    ) -> None:
        """Keep alarms in *database*; tell of new ones by *mails* and *calls*."""
        super().__init__(database, clock)
        self._mails = mails
        self._calls = calls
        self._settings = settings

    async def take(
        self,
        hospital_id: HospitalId,
        sightings: Sequence[Sighting],
        known: Mapping[str, Bookmark],
        moved: Mapping[str, Bookmark],
    ) -> Sequence[Alarm]:
        """Count *sightings*, and move the bookmarks from *known* to *moved*, in one transaction; return new alarms.

        So what was read is counted once, however often a process dies on the way. Raises Conflict where another
        process has moved the bookmarks meanwhile (nothing is changed: read them again), PolicyUnavailable.
        """
        async with self._database.unit_of_work(None, self._clock) as work:
            await work.bookmarks.lock(hospital_id, READER)
            present = await work.bookmarks.get(hospital_id, READER)
            if any(present.get(writer) != known.get(writer) for writer in moved):
                raise Conflict("another process read the journal for alarms meanwhile")
            counted = _Counting(work, hospital_id, self._clock.now())
            for sighting in sightings:
                await counted.take(sighting)
            for alarm in await counted.write():
                await self._tell(work, alarm)
            await work.bookmarks.put(hospital_id, READER, moved)
        return counted.opened

    async def list(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        states: Collection[AlarmState] = (AlarmState.OPEN, AlarmState.ACKNOWLEDGED),
        limit: int = 500,
    ) -> Sequence[Alarm]:
        """Return at most *limit* alarms in these *states*, the one seen last first."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.alarms.list(hospital_id, states, limit)

    async def waiting(self, actor: PersonId, hospital_id: HospitalId) -> int:
        """Return how many alarms nobody has acknowledged or closed."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.alarms.count(hospital_id, AlarmState.OPEN)

    async def get(self, actor: PersonId, hospital_id: HospitalId, alarm_id: str) -> Alarm:
        """Return one; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.alarms.get(hospital_id, alarm_id)

    async def calls(self, actor: PersonId, hospital_id: HospitalId, alarm_id: str) -> Sequence[Call]:
        """Return the messages to the webhook about an alarm, the oldest first."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.calls.of_alarm(hospital_id, alarm_id)

    async def acknowledge(
        self, actor: PersonId, hospital_id: HospitalId, alarm_id: str, note: str = ""
    ) -> Alarm:
        """Note that *actor* looks into it. Raises NotFound, Conflict where somebody did so before, InvalidInput."""
        said = inputs.paragraph(note, "note", longest=LONGEST_NOTE) if note.strip() else ""
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.alarms.get(hospital_id, alarm_id, hold=True)
            if before.state is not AlarmState.OPEN:
                raise AlreadySo("this alarm is not open any more")
            answer = Answer(by=actor, at=self._clock.now(), note=said)
            after = replace(before, state=AlarmState.ACKNOWLEDGED, acknowledged=answer)
            await self._answered(work, "alarm.acknowledged", before, after, answer)
        return after

    async def close(self, actor: PersonId, hospital_id: HospitalId, alarm_id: str, note: str) -> Alarm:
        """Close it with a *note* of what it was; the same cause is a new alarm from now on.

        Raises NotFound, Conflict where it is closed, InvalidInput where the note says nothing.
        """
        said = inputs.paragraph(note, "note", longest=LONGEST_NOTE)
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.alarms.get(hospital_id, alarm_id, hold=True)
            if before.state is AlarmState.CLOSED:
                raise AlreadySo("this alarm is closed already")
            answer = Answer(by=actor, at=self._clock.now(), note=said)
            after = replace(before, state=AlarmState.CLOSED, closed=answer)
            await self._answered(work, "alarm.closed", before, after, answer)
        return after

    async def _answered(
        self, work: UnitOfWork, name: str, before: Alarm, after: Alarm, answer: Answer
    ) -> None:
        await work.alarms.update(after)
        facts = {"state": after.state, "kind": after.kind, "count": after.count, "note": answer.note}
        await work.emit(name, after.hospital_id, after.id, {"state": before.state}, facts)
        await self._calls.tell(work, name.partition(".")[2], after)

    async def _tell(self, work: UnitOfWork, alarm: Alarm) -> None:
        facts = {"kind": alarm.kind, "severity": alarm.severity, "key": alarm.key, "facts": alarm.facts}
        await work.emit("alarm.opened", alarm.hospital_id, alarm.id, {}, facts)
        least = self._settings.alarm_mails
        if least is not None and alarm.severity.reaches(least):
            await self._mails.alarm(work, alarm)
        await self._calls.tell(work, "opened", alarm)


class _Counting:
    """The sightings of one transaction, put together by cause before anything is written."""

    def __init__(self, work: UnitOfWork, hospital_id: HospitalId, now: datetime) -> None:
        """Look at what is open in *work*, at *now*."""
        self._work = work
        self._hospital_id = hospital_id
        self._now = now
        self._apart: dict[str, int] = {}
        self._alarms: dict[_Cause, Alarm | None] = {}
        self._changed: dict[_Cause, Alarm] = {}
        self._tallies: dict[str, tuple[int, datetime]] = {}
        self.opened: list[Alarm] = []

    async def take(self, sighting: Sighting) -> None:
        """Count one, as far as a database can keep it: entries of the journal are written by others."""
        sighting = _keepable(sighting)
        cause = (sighting.kind, sighting.key)
        alarm = await self._open(cause)
        if sighting.over:
            stands = alarm is not None and sighting.of_before and sighting.at <= alarm.last_at
            if alarm is not None and alarm.over_at is None and not stands:
                self._alarms[cause] = self._changed[cause] = replace(alarm, over_at=sighting.at)
            return
        reached = [await self._reached(sighting.at, tally) for tally in sighting.tallies]
        if sighting.tallies and not any(reached):
            return
        if alarm is None and await self._many(sighting):
            sighting = _among_others(sighting, self._now)
            cause = (sighting.kind, sighting.key)
            alarm = await self._open(cause)
        if alarm is None:
            now = await self._new(sighting)
        else:
            now = replace(
                alarm,
                count=alarm.count + 1,
                first_at=min(alarm.first_at, sighting.at),
                last_at=max(alarm.last_at, sighting.at),
                facts=await self._facts(sighting),
                severity=sighting.severity if sighting.severity.reaches(alarm.severity) else alarm.severity,
                over_at=None,
            )
        self._alarms[cause] = self._changed[cause] = now

    async def _open(self, cause: _Cause) -> Alarm | None:
        if cause not in self._alarms:
            self._alarms[cause] = await self._work.alarms.open_one(self._hospital_id, *cause)
        return self._alarms[cause]

    async def _many(self, sighting: Sighting) -> bool:
        """Tell whether so many causes of that kind became alarms today that one more is counted with others."""
        kind = sighting.kind
        if sighting.severity is Severity.CRITICAL:
            return False
        if kind not in self._apart:
            since = self._now - _DAY
            self._apart[kind] = await self._work.alarms.opened_since(self._hospital_id, kind, since)
        return self._apart[kind] >= _APART_A_DAY

    async def write(self) -> Sequence[Alarm]:
        """Write what changed; return the alarms that were not open before."""
        new = {alarm.id for alarm in self.opened}
        self.opened = [alarm for alarm in self._changed.values() if alarm.id in new]
        for alarm in self._changed.values():
            if alarm.id in new:
                await self._work.alarms.insert(alarm)
            else:
                await self._work.alarms.update(alarm)
        for name, (amount, until) in self._tallies.items():
            await self._work.alarms.put_tally(self._hospital_id, name, amount, until)
        if self._tallies:
            oldest = min(until for _, until in self._tallies.values())
            await self._work.alarms.forget_tallies(self._hospital_id, oldest - _KEPT)
        return self.opened

    async def _reached(self, at: datetime, tally: Tally) -> bool:
        found = self._tallies.get(tally.name)
        if found is None:
            found = await self._work.alarms.tally(self._hospital_id, tally.name, at)
        amount, until = found if found is not None and found[1] > at else (0, at + tally.period)
        amount = min(amount + tally.amount, _MOST_COUNTED)
        self._tallies[tally.name] = (amount, until)
        return amount >= tally.limit

    async def _new(self, sighting: Sighting) -> Alarm:
        about = (
            {}  # nobody in particular
            if FURTHER in sighting.facts
            else {name: getattr(sighting, name) for name in ("person_id", "device_id", "session_id")}
        )
        alarm = Alarm(
            id=new_id(),
            hospital_id=self._hospital_id,
            kind=sighting.kind,
            key=sighting.key,
            severity=sighting.severity,
            state=AlarmState.OPEN,
            count=1,
            first_at=sighting.at,
            last_at=sighting.at,
            facts=await self._facts(sighting),
            **about,
        )
        self.opened.append(alarm)
        if alarm.kind in self._apart:
            self._apart[alarm.kind] += 1
        return alarm

    async def _facts(self, sighting: Sighting) -> Mapping[str, object]:
        """Return what the sighting tells, bounded, with the names of who and what it is about."""
        named = list(sighting.facts.items())[:_MOST_FACTS]
        facts = {_text(name, _LONGEST_NAME): _short(value) for name, value in named}
        if sighting.person_id is not None:
            person = await self._work.people.find(self._hospital_id, PersonId(sighting.person_id))
            facts["person"] = sighting.person_id if person is None else person.login
        if sighting.device_id is not None and "device" not in facts:
            try:
                device = await self._work.devices.get(self._hospital_id, DeviceId(sighting.device_id))
            except NotFound:
                facts["device"] = sighting.device_id
            else:
                facts["device"] = device.name
        return described(facts)


def _short(value: object) -> object:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return _text(value, _LONGEST_FACT)


def _among_others(sighting: Sighting, now: datetime) -> Sighting:
    """Return *sighting* as one of many causes of its kind, which are one alarm a day."""
    return replace(sighting, key=f"{FURTHER}/{now.date()}", facts={FURTHER: True, **sighting.facts})


def _keepable(sighting: Sighting) -> Sighting:
    """Return *sighting* with texts that every database takes: one that PostgreSQL refuses would hold up all alarms after it."""
    return replace(
        sighting,
        key=_text(sighting.key, _LONGEST_KEY),
        person_id=_identifier(sighting.person_id),
        device_id=_identifier(sighting.device_id),
        session_id=_identifier(sighting.session_id),
        tallies=tuple(replace(one, name=_text(one.name, _LONGEST_TALLY)) for one in sighting.tallies),
    )


def _identifier(value: object) -> str | None:
    return None if value is None else _text(value, _LONGEST_NAME)


def _text(value: object, longest: int) -> str:
    """Return *value* as text, without NUL and halves of characters."""
    return str(value)[:longest].encode("utf-8", "replace").decode().replace("\x00", "?")
