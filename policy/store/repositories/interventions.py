"""Interventions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, insert, select, update

from policy.domain.ids import HospitalId, InterventionId, PersonId
from policy.domain.interventions import Intervention, InterventionState
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.interventions.c


class Interventions(Repository):
    """Table ``interventions``."""

    async def insert(self, intervention: Intervention) -> None:
        """Add an intervention."""
        await self._connection.execute(insert(t.interventions).values(mapping.columns(intervention)))

    async def update(self, intervention: Intervention) -> None:
        """Write the intervention's present values."""
        where = (_c.hospital_id == intervention.hospital_id) & (_c.id == intervention.id)
        row = mapping.columns(intervention)
        await self._connection.execute(update(t.interventions).where(where).values(row))

    async def cancel(self, intervention: Intervention) -> None:
        """Write that the intervention is cancelled, and nothing else of it."""
        where = (_c.hospital_id == intervention.hospital_id) & (_c.id == intervention.id)
        state = InterventionState.CANCELLED.value
        await self._connection.execute(update(t.interventions).where(where).values(state=state))

    async def get(self, hospital_id: HospitalId, intervention_id: InterventionId) -> Intervention:
        """Return the intervention; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == intervention_id)
        return mapping.intervention(
            await self._only(select(t.interventions).where(where), "intervention", intervention_id)
        )

    async def asked_by(self, hospital_id: HospitalId, person_id: PersonId, since: datetime) -> int:
        """Return how many interventions the person asked for at *since* or later."""
        query = select(func.count()).where(
            (_c.hospital_id == hospital_id) & (_c.requested_by == person_id) & (_c.requested_at >= since)
        )
        return (await self._connection.execute(query)).scalar_one()

    async def list(self, hospital_id: HospitalId) -> Sequence[Intervention]:
        """Return the hospital's interventions, newest first."""
        query = select(t.interventions).where(_c.hospital_id == hospital_id)
        rows = await self._connection.execute(query.order_by(_c.requested_at.desc(), _c.id))
        return [mapping.intervention(row) for row in rows]
