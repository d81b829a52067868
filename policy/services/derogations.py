"""Derogations: somebody of the hospital answers for a device's weakness, with a reason and until a date."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from policy.domain.derogations import Derogation
from policy.domain.ids import DerogationId, DeviceId, HospitalId, PersonId, new_id
from policy.errors import AlreadySo, Conflict, InvalidInput
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service

LONGEST: Final = timedelta(days=366)
"""Nobody accepts a weakness for longer without looking at it again."""


class DerogationService(Service):
    """The register of what devices are excused from, by whom and until when."""

    async def accept(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        device_id: DeviceId,
        *,
        reason: str,
        until: datetime,
        weaknesses: Iterable[str] | None = None,
    ) -> Sequence[Derogation]:
        """Answer for *weaknesses* of a device (None: all that it has) until the aware instant *until*, exclusive.

        The actor is who decides. Raises InvalidInput for a weakness the device has not, a date gone by or more
        than a year ahead; NotFound; Conflict where the device has no weakness.
        """
        why = inputs.line(reason, "reason", longest=500)
        at = self._clock.now()
        if until.tzinfo is None or not at < until <= at + LONGEST:
            raise InvalidInput("until", f"write a date to come, within {LONGEST.days} days")
        async with self._acting(actor, hospital_id, Duty.DEROGATE) as work:
            device = await work.devices.get(hospital_id, device_id)
            known = device.algorithms.weaknesses
            wanted = known if weaknesses is None else tuple(dict.fromkeys(weaknesses))
            if not known:
                raise Conflict(f"{device.name} has no weakness to answer for")
            if unknown := [one for one in wanted if one not in known]:
                raise InvalidInput("weaknesses", f"{unknown[0]!r} is none of {', '.join(known)}")
            made = [
                Derogation(
                    id=DerogationId(new_id()),
                    hospital_id=hospital_id,
                    device_id=device_id,
                    weakness=weakness,
                    reason=why,
                    decided_by=actor,
                    decided_at=at,
                    expires_at=until,
                )
                for weakness in wanted
            ]
            for one in made:
                await work.derogations.insert(one)
                await work.emit("derogation.accepted", hospital_id, one.id, {}, _shown(one))
        return made

    async def withdraw(
        self, actor: PersonId, hospital_id: HospitalId, derogation_id: DerogationId, *, reason: str
    ) -> Derogation:
        """Take a derogation back now: sessions that hang on it end. Raises NotFound, Conflict if it is over."""
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.DEROGATE) as work:
            before = await work.derogations.get(hospital_id, derogation_id)
            if not before.in_force(self._clock.now()):
                raise AlreadySo("this derogation is over already")
            after = replace(before, withdrawn_at=self._clock.now())
            await work.derogations.update(after)
            shown = {**_shown(after), "reason": why}
            await work.emit("derogation.withdrawn", hospital_id, after.id, _shown(before), shown)
        return after

    async def list(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId | None = None
    ) -> Sequence[Derogation]:
        """Return the derogations of one device, or of the whole hospital, over or not, the last to end first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.derogations.list(hospital_id, None if device_id is None else [device_id])


def _shown(one: Derogation) -> dict[str, object]:
    return {
        "device": one.device_id,
        "weakness": one.weakness,
        "reason": one.reason,
        "until": one.expires_at,
        "withdrawn_at": one.withdrawn_at,
    }
