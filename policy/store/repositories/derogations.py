"""Derogations: weaknesses of devices that somebody answers for."""

from collections.abc import Collection, Sequence

from sqlalchemy import insert, select, update

from policy.domain.derogations import Derogation
from policy.domain.ids import DerogationId, DeviceId, HospitalId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.derogations.c


class Derogations(Repository):
    """Table ``derogations``."""

    async def insert(self, derogation: Derogation) -> None:
        """Add a derogation."""
        await self._connection.execute(insert(t.derogations).values(mapping.columns(derogation)))

    async def update(self, derogation: Derogation) -> None:
        """Write whether and when the derogation was withdrawn."""
        where = (_c.hospital_id == derogation.hospital_id) & (_c.id == derogation.id)
        values = {"withdrawn_at": derogation.withdrawn_at}
        await self._connection.execute(update(t.derogations).where(where).values(values))

    async def get(self, hospital_id: HospitalId, derogation_id: DerogationId) -> Derogation:
        """Return the derogation; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == derogation_id)
        return mapping.read(
            Derogation, await self._only(select(t.derogations).where(where), "derogation", derogation_id)
        )

    async def list(
        self, hospital_id: HospitalId, devices: Collection[DeviceId] | None = None
    ) -> Sequence[Derogation]:
        """Return the derogations of *devices*, or of the whole hospital, the last to end first."""
        where = _c.hospital_id == hospital_id
        if devices is not None:
            where &= _c.device_id.in_(list(devices))
        query = select(t.derogations).where(where).order_by(_c.expires_at.desc(), _c.id)
        return [mapping.read(Derogation, row) for row in await self._connection.execute(query)]
