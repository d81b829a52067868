"""The cut: what is open ends now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from policy.domain.access import Cut, Revocation, RevocationScope
from policy.domain.hospitals import Closure, Hospital
from policy.domain.ids import DeviceId, HospitalId, PersonId, SessionId, SupplierId
from policy.errors import AlreadySo, InvalidInput, NotFound
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork, View


class RevocationService(Service):
    """Cuts sessions; the gateways read it within half a second, and end them."""

    async def cut(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        scope: RevocationScope,
        target: str,
        reason: str,
    ) -> Cut:
        """End every session of *scope* granted until now; *target* is the id of what is cut, '' for all.

        New sessions may open afterwards: to keep somebody out, suspend. It is dated no earlier than the newest
        session it reaches, so that a gateway whose clock is ahead does not escape it. Raises InvalidInput,
        NotFound for the target.
        """
        why = inputs.line(reason, "reason", longest=500)
        scope = inputs.choice(RevocationScope, scope, "scope")
        async with self._acting(actor, hospital_id, Duty.STOP) as work:
            await _exists(work, hospital_id, scope, target)
            return await cut_in(work, actor, hospital_id, scope, target, reason=why, now=self._clock.now())

    async def cut_everything(self, actor: PersonId, hospital_id: HospitalId, reason: str) -> Cut:
        """End every session and let nobody in any more, until somebody reopens. A second time cuts again.

        The caller has asked for a fresh code. Raises InvalidInput, Forbidden.
        """
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.STOP) as work:
            now = self._clock.now()
            made = await cut_in(work, actor, hospital_id, RevocationScope.ALL, "", reason=why, now=now)
            before = await work.hospitals.get(hospital_id)
            after = replace(before, closure=Closure(at=now, by=actor, reason=why))
            await work.hospitals.update(after)
            by = (await work.people.get(hospital_id, actor)).full_name
            told = {**_state(after), "reason": why, "by": by}
            await work.emit("hospital.closed", hospital_id, hospital_id, _state(before), told)
        return made

    async def reopen(self, actor: PersonId, hospital_id: HospitalId, reason: str) -> Hospital:
        """Let people in again after a general cut, as their windows say. Raises Conflict where nothing is closed."""
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.hospitals.get(hospital_id)
            if before.closure is None:
                raise AlreadySo("no general cut keeps anybody out")
            after = replace(before, closure=None)
            await work.hospitals.update(after)
            await work.emit(
                "hospital.reopened",
                hospital_id,
                hospital_id,
                _state(before),
                {**_state(after), "reason": why},
            )
        return after

    async def list(self, actor: PersonId, hospital_id: HospitalId, since: datetime) -> Sequence[Revocation]:
        """Return the cuts made at the aware instant *since* or later, oldest first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.revocations.list(hospital_id, since)


async def cut_in(
    work: UnitOfWork,
    actor: PersonId,
    hospital_id: HospitalId,
    scope: RevocationScope,
    target: str,
    *,
    reason: str,
    now: datetime,
) -> Cut:
    """End the sessions of *scope* in the caller's transaction, which has checked that they may be ended. *now*: UTC."""
    count, newest = await work.leases.open_in(hospital_id, scope, target)
    revocation = Revocation(
        hospital_id=hospital_id,
        scope=scope,
        target=target,
        at=now if newest is None else max(now, newest),
        reason=reason,
        by=actor,
    )
    await work.revocations.insert(revocation)
    await work.emit(f"{scope.value}.cut", hospital_id, target or hospital_id, {}, described(revocation))
    return Cut(revocation=revocation, sessions=count)


def _state(hospital: Hospital) -> Mapping[str, object]:
    return {"closed": None if hospital.closure is None else described(hospital.closure)}


async def _exists(view: View, hospital_id: HospitalId, scope: RevocationScope, target: str) -> None:
    match scope:
        case RevocationScope.ALL:
            if target:
                raise InvalidInput("target", "leave it empty to cut all sessions")
        case RevocationScope.SESSION:
            if not await view.leases.exists(hospital_id, SessionId(target)):
                raise NotFound("session", target)
        case RevocationScope.PERSON:
            await view.people.get(hospital_id, PersonId(target))
        case RevocationScope.SUPPLIER:
            await view.suppliers.get(hospital_id, SupplierId(target))
        case RevocationScope.DEVICE:
            await view.devices.get(hospital_id, DeviceId(target))
