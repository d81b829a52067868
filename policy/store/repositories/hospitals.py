"""Hospitals: the tenants."""

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository


class Hospitals(Repository):
    """Table ``hospitals``."""

    async def insert(self, hospital: Hospital) -> None:
        """Add a hospital."""
        await self._connection.execute(insert(t.hospitals).values(mapping.hospital_row(hospital)))

    async def update(self, hospital: Hospital) -> None:
        """Write the hospital's present values."""
        row = mapping.hospital_row(hospital)
        await self._connection.execute(update(t.hospitals).where(t.hospitals.c.id == hospital.id).values(row))

    async def get(self, hospital_id: HospitalId) -> Hospital:
        """Return the hospital; raises NotFound."""
        rows = await self._connection.execute(select(t.hospitals).where(t.hospitals.c.id == hospital_id))
        row = rows.first()
        if row is None:
            raise NotFound("hospital", hospital_id)
        return mapping.hospital(row)

    async def list(self) -> Sequence[Hospital]:
        """Return every hospital of the installation, by name."""
        rows = await self._connection.execute(
            select(t.hospitals).order_by(t.hospitals.c.name, t.hospitals.c.id)
        )
        return [mapping.hospital(row) for row in rows]
