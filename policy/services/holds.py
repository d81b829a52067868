"""Legal holds: placed and lifted by the security staff, with a reason, never lifted by whom they concern."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from policy.domain.holds import Hold
from policy.domain.ids import DeviceId, HospitalId, InterventionId, PersonId, new_id
from policy.errors import AlreadySo, Forbidden, InvalidInput
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.plain import described

Concerned = Callable[[Hold, PersonId], Awaitable[bool]]
"""Tells whether a hold covers a session of that person: asked of the catalogue of traces, which policy has not."""


class HoldService(Service):
    """The register of holds."""

    async def place(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        case: str,
        reason: str,
        session_id: str | None = None,
        person_id: str | None = None,
        device_id: str | None = None,
        intervention_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Hold:
        """Hold the sessions that meet every criterion given, those to come too; that it is about is a *case*.

        Raises InvalidInput where no criterion is given or the period has no length; NotFound for a person, device
        or intervention that the register does not have.
        """
        if all(one is None for one in (session_id, person_id, device_id, intervention_id, since, until)):
            raise InvalidInput(
                "session_id", "say what is held: a session, person, device, intervention or period"
            )
        for field, moment in (("since", since), ("until", until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidInput(field, "write an instant with its offset")
        if since is not None and until is not None and until <= since:
            raise InvalidInput("until", "must be later than since")
        hold = Hold(
            id=new_id(),
            hospital_id=hospital_id,
            case=inputs.line(case, "case"),
            reason=inputs.line(reason, "reason", longest=1000),
            session_id=session_id,
            person_id=person_id,
            device_id=device_id,
            intervention_id=intervention_id,
            since=since,
            until=until,
            placed_by=actor,
            placed_at=self._clock.now(),
        )
        async with self._acting(actor, hospital_id, Duty.HOLD) as work:
            if person_id is not None:
                await work.people.get(hospital_id, PersonId(person_id))
            if device_id is not None:
                await work.devices.get(hospital_id, DeviceId(device_id))
            if intervention_id is not None:
                await work.interventions.get(hospital_id, InterventionId(intervention_id))
            await work.holds.insert(hold)
            await work.emit("hold.placed", hospital_id, hold.id, {}, described(hold))
        return hold

    async def lift(
        self, actor: PersonId, hospital_id: HospitalId, hold_id: str, *, reason: str, concerned: Concerned
    ) -> Hold:
        """Lift a hold; what it covers may be purged a week later at the earliest.

        Raises NotFound, Conflict where it was lifted before, Forbidden for somebody whom it concerns.
        """
        why = inputs.line(reason, "reason", longest=1000)
        async with self._reading(actor, hospital_id, Duty.HOLD) as view:
            before = await view.holds.get(hospital_id, hold_id)
        if actor == before.person_id or await concerned(before, actor):
            raise Forbidden(
                "this hold covers sessions of yours: another member of the security staff lifts it"
            )
        async with self._acting(actor, hospital_id, Duty.HOLD) as work:
            before = await work.holds.get(hospital_id, hold_id, hold=True)
            if before.lifted_at is not None:
                raise AlreadySo("this hold was lifted already")
            after = replace(before, lifted_by=actor, lifted_at=self._clock.now(), lift_reason=why)
            await work.holds.update(after)
            await work.emit("hold.lifted", hospital_id, after.id, described(before), described(after))
        return after

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Hold]:
        """Return every hold, those in force first."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.holds.list(hospital_id)

    async def standing(self, hospital_id: HospitalId) -> Sequence[Hold]:
        """Return the holds that keep something now: for what purges. Raises PolicyUnavailable."""
        now = self._clock.now()
        async with self._database.read() as view:
            return [hold for hold in await view.holds.list(hospital_id) if hold.suspends(now)]
