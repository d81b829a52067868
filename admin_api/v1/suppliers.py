"""Suppliers and their declared sites."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import MANAGING, READING, RESUMING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.places import SiteBody, SupplierChange, SupplierIn, SupplierOut, SuppliersPage
from policy.domain.ids import SiteId, SupplierId, new_id
from policy.domain.suppliers import Site

router = APIRouter(prefix="/suppliers", tags=["suppliers"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_suppliers(
    context: Ctx, who: Who, page: Paging, name: Annotated[str | None, Query(max_length=200)] = None
) -> SuppliersPage:
    """List the suppliers, by name; ``name`` keeps the one of that name, whatever its case."""
    rows = await context.services.suppliers.list(who.person.id, who.hospital_id)
    if name is not None:
        rows = [row for row in rows if row.name.casefold() == name.casefold()]
    return SuppliersPage.part(rows, page, SupplierOut.of)


@router.post("", status_code=201, openapi_extra=MANAGING)
async def add_supplier(context: Ctx, who: Who, body: SupplierIn) -> SupplierOut:
    """Add a supplier with its declared sites."""
    made = await context.services.suppliers.create(
        who.person.id, who.hospital_id, name=body.name, sites=_sites(body.sites)
    )
    return SupplierOut.of(made)


@router.get("/{supplier_id}", openapi_extra=READING)
async def get_supplier(context: Ctx, who: Who, supplier_id: str) -> SupplierOut:
    """Show one supplier."""
    return SupplierOut.of(
        await context.services.suppliers.get(who.person.id, who.hospital_id, SupplierId(supplier_id))
    )


@router.patch("/{supplier_id}", openapi_extra=MANAGING)
async def change_supplier(context: Ctx, who: Who, supplier_id: str, body: SupplierChange) -> SupplierOut:
    """Rename a supplier, or replace its declared sites."""
    changed = await context.services.suppliers.update(
        who.person.id,
        who.hospital_id,
        SupplierId(supplier_id),
        name=body.name,
        sites=_sites(body.sites) if body.sites is not None else None,
        one_post=body.one_post,
    )
    return SupplierOut.of(changed)


@router.post("/{supplier_id}/suspend", openapi_extra=STOPPING)
async def suspend_supplier(context: Ctx, who: Who, supplier_id: str, body: Reason) -> SupplierOut:
    """Suspend a supplier: its people come in no more, and its sessions are cut."""
    changed = await context.services.suppliers.suspend(
        who.person.id, who.hospital_id, SupplierId(supplier_id), reason=body.reason
    )
    return SupplierOut.of(changed)


@router.post("/{supplier_id}/resume", openapi_extra=RESUMING)
async def resume_supplier(context: Ctx, who: Who, supplier_id: str, body: Reason) -> SupplierOut:
    """Let a suspended supplier work again."""
    changed = await context.services.suppliers.resume(
        who.person.id, who.hospital_id, SupplierId(supplier_id), reason=body.reason
    )
    return SupplierOut.of(changed)


def _sites(bodies: Sequence[SiteBody]) -> tuple[Site, ...]:
    return tuple(
        Site(id=SiteId(new_id()), name=body.name, country=body.country, networks=tuple(body.networks))
        for body in bodies
    )
