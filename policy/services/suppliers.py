"""Suppliers and the sites they declare."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from policy.domain.ids import HospitalId, PersonId, SupplierId, new_id
from policy.domain.suppliers import Site, Supplier
from policy.errors import NameTaken
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.plain import described
from policy.store.unit_of_work import View


class SupplierService(Service):
    """The registry of suppliers (rules C1 to E4)."""

    async def create(
        self, actor: PersonId, hospital_id: HospitalId, *, name: str, sites: Iterable[Site]
    ) -> Supplier:
        """Add a supplier, active. Raises InvalidInput, and Conflict for a name taken in this hospital."""
        supplier = Supplier(
            id=SupplierId(new_id()),
            hospital_id=hospital_id,
            name=inputs.line(name, "name"),
            active=True,
            sites=inputs.sites(sites),
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            await _free(work, supplier)
            await work.suppliers.insert(supplier)
            await work.emit("supplier.created", hospital_id, supplier.id, {}, described(supplier))
        return supplier

    async def update(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        supplier_id: SupplierId,
        *,
        name: str | None = None,
        sites: Iterable[Site] | None = None,
        one_post: bool | None = None,
    ) -> Supplier:
        """Change the name, all the declared sites, or whether its people work from one post at a time (E2). Raises InvalidInput, Conflict for a name taken."""
        declared = None if sites is None else inputs.sites(sites)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.suppliers.get(hospital_id, supplier_id)
            after = replace(
                before,
                name=before.name if name is None else inputs.line(name, "name"),
                sites=before.sites if declared is None else declared,
                one_post=before.one_post if one_post is None else one_post,
            )
            await _free(work, after)
            await work.suppliers.update(after)
            await work.emit("supplier.updated", hospital_id, supplier_id, described(before), described(after))
        return after

    async def suspend(
        self, actor: PersonId, hospital_id: HospitalId, supplier_id: SupplierId, *, reason: str
    ) -> Supplier:
        """Let nobody of this supplier in, and end their sessions and their tokens (E4)."""
        return await self._turn(actor, hospital_id, supplier_id, active=False, reason=reason)

    async def resume(
        self, actor: PersonId, hospital_id: HospitalId, supplier_id: SupplierId, *, reason: str
    ) -> Supplier:
        """Let this supplier's people in again, as their windows say."""
        return await self._turn(actor, hospital_id, supplier_id, active=True, reason=reason)

    async def get(self, actor: PersonId, hospital_id: HospitalId, supplier_id: SupplierId) -> Supplier:
        """Return one supplier; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.suppliers.get(hospital_id, supplier_id)

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Supplier]:
        """Return the hospital's suppliers, by name."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.suppliers.list(hospital_id)

    async def _turn(
        self, actor: PersonId, hospital_id: HospitalId, supplier_id: SupplierId, *, active: bool, reason: str
    ) -> Supplier:
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.RESUME if active else Duty.STOP) as work:
            before = await work.suppliers.get(hospital_id, supplier_id)
            after = replace(before, active=active)
            await work.suppliers.update(after)
            if not active:
                for person in await work.people.list(hospital_id, supplier_id):
                    await work.tokens.revoke_all(hospital_id, person.id, self._clock.now())
            name = "supplier.resumed" if active else "supplier.suspended"
            facts = {"active": active, "reason": why}
            await work.emit(name, hospital_id, supplier_id, {"active": before.active}, facts)
        return after


async def _free(view: View, supplier: Supplier) -> None:
    other = await view.suppliers.by_name(supplier.hospital_id, supplier.name)
    if other is not None and other.id != supplier.id:
        raise NameTaken(f"there is a supplier called {supplier.name!r} already")
