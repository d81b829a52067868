"""The table of factors: what a technician's log-in takes."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Who
from admin_api.security.permissions import MANAGING, READING, GuardedRoute
from admin_api.v1.schemas.factors import FactorTableIn, FactorTableOut

router = APIRouter(prefix="/factors", tags=["factors"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def get_factors(context: Ctx, who: Who) -> FactorTableOut:
    """Show which factors let a technician in, and to which level."""
    return FactorTableOut.of(await context.services.factors.table(who.person.id, who.hospital_id))


@router.put("", openapi_extra=MANAGING)
async def change_factors(context: Ctx, who: Who, body: FactorTableIn) -> FactorTableOut:
    """Replace the table, within bounds: one factor is never enough, and only hardware reaches the high level."""
    rows = [row.domain() for row in body.rows]
    return FactorTableOut.of(await context.services.factors.change(who.person.id, who.hospital_id, rows))
