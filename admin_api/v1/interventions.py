"""Interventions: why somebody may come."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who, cut_page
from admin_api.security.permissions import PLANNING, READING, GuardedRoute
from admin_api.v1.schemas.windows import InterventionIn, InterventionOut, InterventionsPage
from policy.domain.ids import InterventionId, SupplierId

router = APIRouter(prefix="/interventions", tags=["interventions"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_interventions(context: Ctx, who: Who, page: Paging) -> InterventionsPage:
    """List the interventions, the newest first."""
    rows = await context.services.interventions.list(who.person.id, who.hospital_id)
    part, after = cut_page(rows, page, lambda row: row.id)
    return InterventionsPage(items=[InterventionOut.of(row) for row in part], next=after)


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
