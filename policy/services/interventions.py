"""Interventions: goal-bound files that windows belong to."""

from collections.abc import Sequence
from dataclasses import replace

from policy.clock import Clock
from policy.domain.ids import HospitalId, InterventionId, PersonId, SupplierId, new_id
from policy.domain.interventions import Intervention, InterventionKind, InterventionState
from policy.errors import Conflict
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork

_OPEN = frozenset(
    {
        InterventionState.REQUESTED,
        InterventionState.APPROVED,
        InterventionState.IN_PROGRESS,
        InterventionState.ON_HOLD,
        InterventionState.TO_CLOSE,
    }
)


class InterventionService(Service):
    """The register of interventions (rule E9)."""

    async def create(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        supplier_id: SupplierId,
        kind: InterventionKind,
        purpose: str,
    ) -> Intervention:
        """Ask for an intervention; the approval of its first window approves it.

        Raises InvalidInput, NotFound for the supplier.
        """
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            return await add_intervention(
                work, self._clock, actor, hospital_id, supplier_id=supplier_id, kind=kind, purpose=purpose
            )

    async def hold(
        self, actor: PersonId, hospital_id: HospitalId, intervention_id: InterventionId, *, reason: str
    ) -> Intervention:
        """Put an approved intervention on hold: its windows open nothing, and its sessions end."""
        wanted = frozenset({InterventionState.APPROVED, InterventionState.IN_PROGRESS})
        return await self._move(
            actor, hospital_id, intervention_id, wanted, InterventionState.ON_HOLD, "held", reason
        )

    async def resume(
        self, actor: PersonId, hospital_id: HospitalId, intervention_id: InterventionId, *, reason: str
    ) -> Intervention:
        """Go on with an intervention that is on hold."""
        wanted = frozenset({InterventionState.ON_HOLD})
        return await self._move(
            actor, hospital_id, intervention_id, wanted, InterventionState.APPROVED, "resumed", reason
        )

    async def close(
        self, actor: PersonId, hospital_id: HospitalId, intervention_id: InterventionId, *, reason: str
    ) -> Intervention:
        """Close an intervention: its goal is reached, or cannot be."""
        return await self._move(
            actor, hospital_id, intervention_id, _OPEN, InterventionState.CLOSED, "closed", reason
        )

    async def cancel(
        self, actor: PersonId, hospital_id: HospitalId, intervention_id: InterventionId, *, reason: str
    ) -> Intervention:
        """Cancel an intervention that will not take place."""
        return await self._move(
            actor, hospital_id, intervention_id, _OPEN, InterventionState.CANCELLED, "cancelled", reason
        )

    async def get(
        self, actor: PersonId, hospital_id: HospitalId, intervention_id: InterventionId
    ) -> Intervention:
        """Return one intervention; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.interventions.get(hospital_id, intervention_id)

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Intervention]:
        """Return the hospital's interventions, newest first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.interventions.list(hospital_id)

    async def _move(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        intervention_id: InterventionId,
        wanted: frozenset[InterventionState],
        state: InterventionState,
        verb: str,
        reason: str,
    ) -> Intervention:
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            before = await work.interventions.get(hospital_id, intervention_id)
            if before.state not in wanted:
                raise Conflict(f"this intervention is {before.state.value}: it cannot be {verb}")
            after = replace(before, state=state)
            await work.interventions.update(after)
            facts = {"state": state, "reason": why}
            name = f"intervention.{verb}"
            await work.emit(name, hospital_id, intervention_id, {"state": before.state}, facts)
        return after


async def add_intervention(
    work: UnitOfWork,
    clock: Clock,
    actor: PersonId,
    hospital_id: HospitalId,
    *,
    supplier_id: SupplierId,
    kind: InterventionKind,
    purpose: str,
) -> Intervention:
    """Check and add an intervention in the caller's transaction."""
    await work.suppliers.get(hospital_id, supplier_id)
    intervention = Intervention(
        id=InterventionId(new_id()),
        hospital_id=hospital_id,
        supplier_id=supplier_id,
        kind=inputs.choice(InterventionKind, kind, "kind"),
        purpose=inputs.line(purpose, "purpose", longest=500),
        state=InterventionState.REQUESTED,
        requested_by=actor,
        requested_at=clock.now(),
    )
    await work.interventions.insert(intervention)
    await work.emit("intervention.created", hospital_id, intervention.id, {}, described(intervention))
    return intervention
