"""Intervention windows: planned by one person, approved by another, moved and cancelled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from policy.domain.factors import Level
from policy.domain.ids import (
    DeviceId,
    HospitalId,
    InterventionId,
    PersonId,
    SupplierId,
    WindowId,
    new_id,
)
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.domain.windows import Channel, Forward, IdleRule, Recurrence, Window, WindowState
from policy.errors import AlreadySo, Conflict, Forbidden, InvalidInput
from policy.services import inputs, window_checks
from policy.services.duties import Duty, require
from policy.services.interventions import add_intervention
from policy.services.schedules import Schedule, more_occurrences
from policy.services.window_changes import WindowChanges, shown
from policy.store.unit_of_work import UnitOfWork

__all__ = ["Planned", "WindowService"]

_TOP_UP_EVERY: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A window just written, and the message keys of what its planner should know."""

    window: Window
    warnings: tuple[str, ...]


class WindowService(WindowChanges):
    """The planning (rule O3), held by two people (four eyes)."""

    async def plan(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        purpose: str,
        people: Iterable[PersonId],
        devices: Iterable[DeviceId] = (),
        groups: Iterable[str] = (),
        account: str | None = None,
        channels: Iterable[Channel],
        idle: IdleRule | None = None,
        intervention_id: InterventionId | None = None,
        kind: InterventionKind | None = None,
        supplier_id: SupplierId | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        start_fold: int | None = None,
        end_fold: int | None = None,
        shift: bool = False,
        recurrence: Recurrence | None = None,
        level: Level = Level.STANDARD,
        forwards: Iterable[Forward] = (),
        outage_grace: timedelta | None = None,
    ) -> Planned:
        """Ask for a window; it opens nothing before somebody else approves it.

        For an intervention there is, or for a new one of that *kind* and supplier. When: see ``Schedule``. Without
        *idle*, the delay of the kind; without an *outage_grace*, the installation's. Raises InvalidInput, AmbiguousLocalTime, NotFound, and Conflict where the
        intervention is over.
        """
        schedule = Schedule(
            start=start, end=end, start_fold=start_fold, end_fold=end_fold, shift=shift, recurrence=recurrence
        )
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            if intervention_id is None:
                if kind is None or supplier_id is None:
                    raise InvalidInput("intervention_id", "name an intervention, or a kind and a supplier")
                intervention = await add_intervention(
                    work, self._clock, actor, hospital_id, supplier_id=supplier_id, kind=kind, purpose=purpose
                )
            elif kind is not None or supplier_id is not None:
                raise InvalidInput("intervention_id", "leave it out to ask for a new intervention")
            else:
                intervention = await work.interventions.get(hospital_id, intervention_id)
            _goes_on(intervention)
            hospital = await work.hospitals.get(hospital_id)
            named, grouped = await window_checks.check_devices(work, hospital_id, devices, groups)
            ports = await window_checks.check_forwards(work, hospital_id, forwards, named)
            window_id = WindowId(new_id())
            now = self._clock.now()
            window = Window(
                id=window_id,
                hospital_id=hospital_id,
                intervention_id=intervention.id,
                people=await window_checks.check_people(work, hospital_id, people, intervention),
                devices=named,
                groups=grouped,
                account=None if account is None else inputs.name(account, "account"),
                channels=window_checks.check_channels(channels, ports),
                forwards=ports,
                idle=window_checks.check_idle(
                    idle or IdleRule(limit=self._settings.idle_limit(intervention.kind))
                ),
                purpose=inputs.line(purpose, "purpose", longest=500),
                state=WindowState.PLANNED,
                requested_by=actor,
                approved_by=None,
                recurrence=recurrence,
                level=inputs.choice(Level, level, "level"),
                outage_grace=window_checks.check_grace(
                    outage_grace, self._settings.outage_grace, intervention
                ),
                occurrences=schedule.occurrences(
                    window_id,
                    hospital.timezone,
                    now=now,
                    horizon=self._settings.horizon,
                    longest=self._settings.longest(intervention.kind),
                ),
            )
            await work.windows.insert(window, None if recurrence is None else now + self._settings.horizon)
            await work.emit("window.planned", hospital_id, window.id, {}, shown(window))
            return Planned(window=window, warnings=await window_checks.warnings(work, window, intervention))

    async def approve(
        self, actor: PersonId, hospital_id: HospitalId, window_id: WindowId, *, version: int
    ) -> Window:
        """Let the window open, as it stands in that *version*: what is approved is what was looked at.

        Raises Forbidden for its requester, Conflict where it was changed meanwhile, is over, or is not waiting.
        """
        async with self._database.unit_of_work(actor, self._clock) as work:
            decider = await require(work, hospital_id, actor, Duty.PLAN)
            before = await self._at(work, hospital_id, window_id, version)
            if before.requested_by == actor:
                raise Forbidden("a window is approved by somebody else than who asked for it (four eyes)")
            await self._independent(work, hospital_id, before.requested_by, actor)
            if before.state is not WindowState.PLANNED:
                raise Conflict(f"this window is {before.state.value}: it does not wait for approval")
            if all(one.end <= self._clock.now() for one in before.occurrences):
                raise Conflict("this window is over already: move it first")
            intervention = await work.interventions.get(hospital_id, before.intervention_id)
            _goes_on(intervention)
            if intervention.state is InterventionState.REQUESTED:
                approved = replace(intervention, state=InterventionState.APPROVED)
                await work.interventions.update(approved)
                states = {"state": intervention.state}, {"state": approved.state}
                await work.emit("intervention.approved", hospital_id, intervention.id, *states)
            after = replace(before, state=WindowState.APPROVED, approved_by=actor, version=before.version + 1)
            await work.windows.update(after)
            facts = {**shown(after), "decided_by": decider.full_name}
            await work.emit("window.approved", hospital_id, window_id, shown(before), facts)
        return after

    async def refuse(
        self, actor: PersonId, hospital_id: HospitalId, window_id: WindowId, *, version: int, reason: str
    ) -> Window:
        """Refuse a window that waits for approval; whoever asked for it reads *reason*.

        An intervention that was asked for with it is refused too. Raises Forbidden for its requester, who may
        cancel it, Conflict where it was changed meanwhile or is not waiting, InvalidInput.
        """
        why = inputs.line(reason, "reason", longest=500)
        async with self._database.unit_of_work(actor, self._clock) as work:
            decider = await require(work, hospital_id, actor, Duty.PLAN)
            before = await self._at(work, hospital_id, window_id, version)
            if before.requested_by == actor:
                raise Forbidden(
                    "a window is answered by somebody else than who asked for it: cancel it instead"
                )
            if before.state is not WindowState.PLANNED:
                raise Conflict(f"this window is {before.state.value}: it does not wait for approval")
            after = replace(before, state=WindowState.REFUSED, answer=why, version=before.version + 1)
            await work.windows.update(after)
            intervention = await work.interventions.get(hospital_id, before.intervention_id)
            others = await work.windows.list(hospital_id, intervention_id=intervention.id)
            alone = all(other.id == window_id or other.state.over for other in others)
            if alone and intervention.state is InterventionState.REQUESTED:
                refused = replace(intervention, state=InterventionState.REFUSED)
                await work.interventions.update(refused)
                states = {"state": intervention.state}, {"state": refused.state, "reason": why}
                await work.emit("intervention.refused", hospital_id, intervention.id, *states)
            facts = {**shown(after), "reason": why, "decided_by": decider.full_name}
            await work.emit("window.refused", hospital_id, window_id, shown(before), facts)
        return after

    async def move(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        window_id: WindowId,
        *,
        version: int,
        start: datetime | None = None,
        end: datetime | None = None,
        start_fold: int | None = None,
        end_fold: int | None = None,
        shift: bool = False,
        recurrence: Recurrence | None = None,
    ) -> Planned:
        """Open the window at another time; its approval lapses, and who moves it is its requester from now on.

        Otherwise somebody could move a window and approve her own move. Occurrences that are over stay.
        """
        schedule = Schedule(
            start=start, end=end, start_fold=start_fold, end_fold=end_fold, shift=shift, recurrence=recurrence
        )
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            before = await self._at(work, hospital_id, window_id, version)
            if before.state.over:
                raise Conflict(f"this window is {before.state.value}: plan another one")
            if (recurrence is None) is not (before.recurrence is None):
                raise InvalidInput(
                    "recurrence", "a one-off window stays one, a recurring one too: plan another"
                )
            intervention = await work.interventions.get(hospital_id, before.intervention_id)
            _goes_on(intervention)
            hospital = await work.hospitals.get(hospital_id)
            now = self._clock.now()
            fresh = schedule.occurrences(
                window_id,
                hospital.timezone,
                now=now,
                horizon=self._settings.horizon,
                longest=self._settings.longest(intervention.kind),
            )
            after = replace(
                before,
                state=WindowState.PLANNED,
                requested_by=actor,
                approved_by=None,
                recurrence=recurrence,
                occurrences=(*(one for one in before.occurrences if one.end <= now), *fresh),
                version=before.version + 1,
            )
            await work.windows.update(after)
            await work.windows.drop_occurrences(hospital_id, window_id, now)
            await work.windows.add_occurrences(hospital_id, fresh)
            if recurrence is not None:
                await work.windows.restart(hospital_id, window_id, now + self._settings.horizon)
            await work.emit("window.moved", hospital_id, window_id, shown(before), shown(after))
            return Planned(window=after, warnings=await window_checks.warnings(work, after, intervention))

    async def cancel(
        self, actor: PersonId, hospital_id: HospitalId, window_id: WindowId, *, reason: str
    ) -> Window:
        """Close the window for good; its sessions end. Less access needs no second person."""
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.STOP) as work:
            before = await work.windows.get(hospital_id, window_id)
            if before.state.over:
                raise AlreadySo(f"this window is {before.state.value} already")
            after = replace(before, state=WindowState.CANCELLED, version=before.version + 1)
            await work.windows.update(after)
            facts = {**shown(after), "reason": why}
            await work.emit("window.cancelled", hospital_id, window_id, shown(before), facts)
        return after

    async def get(self, actor: PersonId, hospital_id: HospitalId, window_id: WindowId) -> Window:
        """Return one window with all its stored occurrences; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.windows.get(hospital_id, window_id)

    async def list(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        intervention_id: InterventionId | None = None,
        state: WindowState | None = None,
    ) -> Sequence[Window]:
        """Return the windows open at some time in ``[start, end)``, with those occurrences only, first first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.windows.list(
                hospital_id, start=start, end=end, intervention_id=intervention_id, state=state
            )

    async def top_up(self) -> int:
        """Store the coming occurrences of recurring windows, as far as the horizon; return how many were added.

        Asked daily, by any number of processes.
        """
        until = self._clock.now() + self._settings.horizon
        async with self._database.read() as view:
            due = await view.windows.recurring_short_of(until - _TOP_UP_EVERY)
        added = 0
        for hospital_id, window_id, since in due:
            async with self._database.unit_of_work(None, self._clock) as work:
                window = await work.windows.get(hospital_id, window_id)
                mine = await work.windows.store_until(hospital_id, window_id, since=since, until=until)
                if window.recurrence is None or not mine:
                    continue
                timezone = (await work.hospitals.get(hospital_id)).timezone
                fresh = more_occurrences(window_id, window.recurrence, timezone, since=since, until=until)
                await work.windows.add_occurrences(hospital_id, fresh)
                facts = {"until": until, "occurrences": len(fresh)}
                await work.emit("window.topped_up", hospital_id, window_id, {"until": since}, facts)
                added += len(fresh)
        return added

    @staticmethod
    async def _at(work: UnitOfWork, hospital_id: HospitalId, window_id: WindowId, version: int) -> Window:
        window = await work.windows.get(hospital_id, window_id)
        if window.version != version:
            raise Conflict("this window was changed meanwhile: look at it again")
        return window


def _goes_on(intervention: Intervention) -> None:
    over = {InterventionState.CLOSED, InterventionState.REFUSED, InterventionState.CANCELLED}
    if intervention.state in over:
        raise Conflict(f"this intervention is {intervention.state.value}: ask for another one")
