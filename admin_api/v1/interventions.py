"""Interventions: why somebody may come."""

from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import PLANNING, READING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.windows import InterventionIn, InterventionOut, InterventionsPage
from policy.domain.ids import InterventionId, SupplierId

router = APIRouter(prefix="/interventions", tags=["interventions"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_interventions(
    context: Ctx,
    who: Who,
    page: Paging,
    prefix: Annotated[str | None, Query(pattern="^[0-9a-f]{1,32}$")] = None,
) -> InterventionsPage:
    """List the interventions, the newest first; ``prefix`` keeps those whose identifier starts by it."""
    rows = await context.services.interventions.list(who.person.id, who.hospital_id)
    if prefix is not None:
        rows = [row for row in rows if row.id.startswith(prefix)]
    return InterventionsPage.part(rows, page, InterventionOut.of)


@router.post("", status_code=201, openapi_extra=PLANNING)
async def add_intervention(context: Ctx, who: Who, body: InterventionIn) -> InterventionOut:
    """Open an intervention."""
    made = await context.services.interventions.create(
        who.person.id,
        who.hospital_id,
        supplier_id=SupplierId(body.supplier_id),
        kind=body.kind,
        purpose=body.purpose,
    )
    return InterventionOut.of(made)


@router.get("/{intervention_id}", openapi_extra=READING)
async def get_intervention(context: Ctx, who: Who, intervention_id: str) -> InterventionOut:
    """Show one intervention."""
    return InterventionOut.of(
        await context.services.interventions.get(
            who.person.id, who.hospital_id, InterventionId(intervention_id)
        )
    )


@router.post("/{intervention_id}/hold", openapi_extra=PLANNING)
async def hold_intervention(context: Ctx, who: Who, intervention_id: str, body: Reason) -> InterventionOut:
    """Put an approved intervention on hold: its windows open nothing, and its sessions end."""
    changed = await context.services.interventions.hold(
        who.person.id, who.hospital_id, InterventionId(intervention_id), reason=body.reason
    )
    return InterventionOut.of(changed)


@router.post("/{intervention_id}/resume", openapi_extra=PLANNING)
async def resume_intervention(context: Ctx, who: Who, intervention_id: str, body: Reason) -> InterventionOut:
    """Go on with an intervention that is on hold."""
    changed = await context.services.interventions.resume(
        who.person.id, who.hospital_id, InterventionId(intervention_id), reason=body.reason
    )
    return InterventionOut.of(changed)


@router.post("/{intervention_id}/close", openapi_extra=PLANNING)
async def close_intervention(context: Ctx, who: Who, intervention_id: str, body: Reason) -> InterventionOut:
    """Close an intervention: its goal is reached, or cannot be."""
    changed = await context.services.interventions.close(
        who.person.id, who.hospital_id, InterventionId(intervention_id), reason=body.reason
    )
    return InterventionOut.of(changed)


@router.post("/{intervention_id}/cancel", openapi_extra=PLANNING)
async def cancel_intervention(context: Ctx, who: Who, intervention_id: str, body: Reason) -> InterventionOut:
    """Cancel an intervention that will not take place."""
    changed = await context.services.interventions.cancel(
        who.person.id, who.hospital_id, InterventionId(intervention_id), reason=body.reason
    )
    return InterventionOut.of(changed)
