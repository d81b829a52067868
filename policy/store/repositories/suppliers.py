"""Suppliers, with the sites they declared."""

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from policy.domain.ids import HospitalId, SupplierId
from policy.domain.suppliers import Supplier
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.suppliers.c


class Suppliers(Repository):
    """Table ``suppliers``."""

    async def insert(self, supplier: Supplier) -> None:
        """Add a supplier."""
        await self._connection.execute(insert(t.suppliers).values(mapping.columns(supplier)))

    async def update(self, supplier: Supplier) -> None:
        """Write the supplier's present values."""
        where = (_c.hospital_id == supplier.hospital_id) & (_c.id == supplier.id)
        await self._connection.execute(update(t.suppliers).where(where).values(mapping.columns(supplier)))

    async def get(self, hospital_id: HospitalId, supplier_id: SupplierId) -> Supplier:
        """Return the supplier; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == supplier_id)
        return mapping.supplier(await self._only(select(t.suppliers).where(where), "supplier", supplier_id))

    async def by_name(self, hospital_id: HospitalId, name: str) -> Supplier | None:
        """Return the supplier of that exact name, None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.name == name)
        row = (await self._connection.execute(select(t.suppliers).where(where))).first()
        return None if row is None else mapping.supplier(row)

    async def list(self, hospital_id: HospitalId) -> Sequence[Supplier]:
        """Return the hospital's suppliers with their declared sites, by name."""
        query = select(t.suppliers).where(_c.hospital_id == hospital_id).order_by(_c.name)
        return [mapping.supplier(row) for row in await self._connection.execute(query)]
