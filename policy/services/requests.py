"""What a technician asks for herself: a window, or more time. Somebody of the hospital's answers, never she."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from policy.clock import Clock
from policy.domain.access import UNDISCLOSED
from policy.domain.devices import Device
from policy.domain.ids import HospitalId, PersonId, WindowId, is_name, new_id
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.people import Person
from policy.domain.requests import AskedTime, OwnWindow
from policy.domain.suppliers import Supplier
from policy.domain.windows import Channel, Extension, IdleRule, Window, WindowState
from policy.engine.rules.findings import failed
from policy.errors import RequestRefused
from policy.services import inputs, window_checks
from policy.services.duties import Duty, require
from policy.services.interventions import add_intervention
from policy.services.schedules import Schedule
from policy.services.service import Service
from policy.services.window_changes import shown
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork, View

_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_LONGEST_EXTENSION = timedelta(hours=24)


class RequestService(Service):
    """A technician's own requests (rules O2, O3, S08). Refusals carry the finding that she reads."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep requests in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def ask(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        device_name: str,
        kind: InterventionKind,
        purpose: str,
        start: datetime,
        end: datetime,
        channels: Iterable[Channel],
        account: str | None = None,
    ) -> Window:
        """Ask for a window of her own on a device that she has been let onto before; it opens nothing.

        *start* and *end* are aware. A device that does not exist is refused as one that is not hers
        (invariant 7). Raises RequestRefused, InvalidInput, Forbidden for who is no technician.
        """
        async with self._database.unit_of_work(actor, self._clock) as work:
            person = await require(work, hospital_id, actor, Duty.ASK)
            await work.leases.hold_person(hospital_id, actor)
            supplier = await _supplier(work, person)
            device = await _device(work, person, device_name)
            now = self._clock.now()
            self._sound(kind, start, end, now)
            asked = await work.interventions.asked_by(hospital_id, actor, now - _DAY)
            if asked >= self._settings.requests_a_day:
                raise RequestRefused(
                    failed("O2", "finding.O2.many", "next.O2.many", "technician", count=asked)
                )
            waiting = await work.windows.waiting(hospital_id, actor, now)
            if waiting >= self._settings.requests_limit:
                raise RequestRefused(
                    failed("O2", "finding.O2.full", "next.O2.full", "planner", waiting=waiting)
                )
            intervention = await add_intervention(
                work, self._clock, actor, hospital_id, supplier_id=supplier.id, kind=kind, purpose=purpose
            )
            window_id = WindowId(new_id())
            window = Window(
                id=window_id,
                hospital_id=hospital_id,
                intervention_id=intervention.id,
                people=frozenset({actor}),
                devices=frozenset({device.id}),
                groups=frozenset(),
                account=None if account is None else inputs.name(account, "account"),
                channels=window_checks.check_channels(channels),
                idle=IdleRule(limit=self._settings.idle_limit(kind)),
                purpose=intervention.purpose,
                state=WindowState.PLANNED,
                requested_by=actor,
                approved_by=None,
                recurrence=None,
                occurrences=Schedule(start=start, end=end).occurrences(
                    window_id,
                    "UTC",
                    now=now,
                    horizon=self._settings.horizon,
                    longest=self._settings.longest(kind),
                ),
            )
            await work.windows.insert(window, None)
            await work.emit("window.requested", hospital_id, window.id, {}, shown(window))
        return window

    async def withdraw(self, actor: PersonId, hospital_id: HospitalId, *, digits: str) -> Window:
        """Take back the one request of hers that waits and whose id begins with *digits*.

        Raises RequestRefused, Forbidden for who is no technician.
        """
        async with self._acting(actor, hospital_id, Duty.ASK) as work:
            mine = await work.windows.list(hospital_id, state=WindowState.PLANNED, person_id=actor)
            meant = [one for one in mine if one.requested_by == actor and one.id.startswith(digits)]
            if len(meant) != 1:
                raise RequestRefused(failed("O2", "finding.O2.no_request", "next.O2.look", "technician"))
            before = await work.windows.get(hospital_id, meant[0].id)
            after = replace(before, state=WindowState.CANCELLED, version=before.version + 1)
            await work.windows.cancel(after)
            intervention = await work.interventions.get(hospital_id, before.intervention_id)
            if intervention.state is InterventionState.REQUESTED and intervention.requested_by == actor:
                over = replace(intervention, state=InterventionState.CANCELLED)
                await work.interventions.cancel(over)
                states = {"state": intervention.state}, {"state": over.state, "reason": "withdrawn"}
                await work.emit("intervention.cancelled", hospital_id, intervention.id, *states)
            facts = {**shown(after), "reason": "withdrawn"}
            await work.emit("window.cancelled", hospital_id, before.id, shown(before), facts)
        return after

    async def extend(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        length: timedelta,
        reason: str,
        device_name: str | None = None,
    ) -> AskedTime:
        """Ask for *length* more of the window that is open for her on that device, or where she works now.

        Raises RequestRefused, InvalidInput, Forbidden for who is no technician.
        """
        why = inputs.line(reason, "reason", longest=500)
        async with self._database.unit_of_work(actor, self._clock) as work:
            person = await require(work, hospital_id, actor, Duty.ASK)
            await work.leases.hold_person(hospital_id, actor)
            now = self._clock.now()
            window, inside = await self._open_window(work, person, device_name, now)
            occurrence = window.occurrence_at(now)
            if occurrence is None:
                raise RequestRefused(failed("O3", "finding.O3.not_open", "next.O3.ask", "technician"))
            mine = await work.extensions.of_person(hospital_id, actor, [window.id])
            if any(one.occurrence_id == occurrence.id and one.decided_by is None for one in mine):
                raise RequestRefused(failed("O3", "finding.O3.asked_already", "next.O3.answer", "planner"))
            intervention = await work.interventions.get(hospital_id, window.intervention_id)
            latest = occurrence.start + self._settings.longest(intervention.kind)
            if not timedelta(0) < length <= _LONGEST_EXTENSION or occurrence.end + length > latest:
                raise RequestRefused(
                    failed("O3", "finding.O3.too_late", "next.O3.shorter", "technician", latest=latest)
                )
            extension = Extension(
                id=new_id(),
                hospital_id=hospital_id,
                window_id=window.id,
                occurrence_id=occurrence.id,
                end=occurrence.end + length,
                requested_by=actor,
                requested_at=now,
                reason=why,
            )
            await work.extensions.insert(extension)
            facts = described(extension)
            await work.emit("window.extension_requested", hospital_id, window.id, {}, facts)
            return AskedTime(extension=extension, devices=await _device_names(work, window), inside=inside)

    async def windows(
        self, actor: PersonId, hospital_id: HospitalId, *, since: datetime, until: datetime
    ) -> Sequence[OwnWindow]:
        """Return her openings in ``[since, until)``, whatever became of them, first first; both are aware."""
        async with self._reading(actor, hospital_id, Duty.ASK) as view:
            found = await view.windows.list(hospital_id, start=since, end=until, person_id=actor)
            asked = await view.extensions.of_person(hospital_id, actor, [window.id for window in found])
            deciders = {
                one.decided_by: (await view.people.get(hospital_id, one.decided_by)).full_name
                for one in asked
                if one.decided_by is not None
            }
            own: list[OwnWindow] = []
            for window in found:
                devices = await _device_names(view, window)
                intervention = await view.interventions.get(hospital_id, window.intervention_id)
                own += [
                    OwnWindow(
                        window=window,
                        occurrence=occurrence,
                        kind=intervention.kind,
                        devices=devices,
                        asked_by_her=intervention.requested_by == actor,
                        extensions=tuple(one for one in asked if one.occurrence_id == occurrence.id),
                        deciders={str(key): name for key, name in deciders.items()},
                    )
                    for occurrence in window.occurrences
                ]
        return sorted(own, key=lambda one: (one.occurrence.start, one.occurrence.id))

    def _sound(self, kind: InterventionKind, start: datetime, end: datetime, now: datetime) -> None:
        """Refuse times that no window can have, in words for whoever asks."""
        longest = self._settings.longest(kind)
        if end <= start:
            raise RequestRefused(failed("S08", "finding.S08.backwards", "next.S08.times", "technician"))
        if end <= now:
            raise RequestRefused(failed("S08", "finding.S08.over", "next.S08.times", "technician"))
        if start >= now + self._settings.horizon:
            horizon = now + self._settings.horizon
            raise RequestRefused(
                failed("S08", "finding.S08.far", "next.S08.times", "technician", latest=horizon)
            )
        if end - start > longest:
            raise RequestRefused(
                failed("O3", "finding.O3.too_long", "next.O3.shorter", "technician", longest=longest)
            )

    async def _open_window(
        self, work: UnitOfWork, person: Person, device_name: str | None, now: datetime
    ) -> tuple[Window, bool]:
        """Return the window meant: on the device named, else where she works, else the only one open; and whether she works there."""
        device = None if device_name is None else await _device(work, person, device_name)
        found = await work.windows.list(
            person.hospital_id,
            start=now,
            end=now + _INSTANT,
            state=WindowState.APPROVED,
            person_id=person.id,
        )
        found = [one for one in found if device is None or one.concerns(person.id, device)]
        beat_since = now - self._settings.lease
        sessions = await work.leases.list(person.hospital_id, beat_since, person_id=person.id)
        at_work = {session.window_id for session in sessions}
        meant = [one for one in found if one.id in at_work] or found
        if not meant:
            raise RequestRefused(failed("O3", "finding.O3.not_open", "next.O3.ask", "technician"))
        if len(meant) > 1 and device is None:
            names = sorted({name for one in meant for name in await _device_names(work, one)})
            raise RequestRefused(
                failed("O3", "finding.O3.which", "next.O3.which", "technician", devices=tuple(names))
            )
        window = max(meant, key=lambda one: (one.occurrences[-1].end, one.id))
        return window, window.id in at_work


async def _supplier(view: View, person: Person) -> Supplier:
    if person.supplier_id is None:
        raise RequestRefused(failed("E4", "finding.E4.none", "next.E4.none", "administrator"))
    supplier = await view.suppliers.get(person.hospital_id, person.supplier_id)
    if not supplier.active:
        raise RequestRefused(
            failed("E4", "finding.E4.suspended", "next.E4.suspended", "administrator", supplier=supplier.name)
        )
    return supplier


async def _device(view: View, person: Person, name: str) -> Device:
    """Return the device of that name if some window ever named it and the person; refused alike otherwise."""
    device = await view.devices.by_name(person.hospital_id, name) if is_name(name) else None
    if device is None or not await view.windows.known_to(person.hospital_id, person.id, device):
        raise RequestRefused(UNDISCLOSED)
    return device


async def _device_names(view: View, window: Window) -> tuple[str, ...]:
    named = {(await view.devices.get(window.hospital_id, device_id)).name for device_id in window.devices}
    grouped = await view.devices.in_groups(window.hospital_id, sorted(window.groups))
    return tuple(sorted(named | {device.name for device in grouped}))
