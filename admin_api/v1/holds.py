"""Legal holds: placed and lifted by the security staff; while one stands, nothing that it covers is destroyed."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import REPLAYING, RESUMING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.retention import HoldIn, HoldOut, HoldsPage

router = APIRouter(prefix="/holds", tags=["retention"], route_class=GuardedRoute)


@router.get("", openapi_extra=RESUMING)
async def list_holds(context: Ctx, who: Who, page: Paging) -> HoldsPage:
    """List the holds, those that stand first, lifted ones too."""
    rows = await context.services.holds.list(who.person.id, who.hospital_id)
    at = context.services.clock.now()
    return HoldsPage.part(rows, page, lambda row: HoldOut.of(row, at))


@router.post("", status_code=201, openapi_extra=REPLAYING)
async def place_hold(context: Ctx, who: Who, body: HoldIn) -> HoldOut:
    """Hold what is recorded of a session, a person, a device, an intervention or a period, for a case."""
    made = await context.services.holds.place(who.person.id, who.hospital_id, **body.model_dump())
    context.keeper.wake()
    return HoldOut.of(made, context.services.clock.now())


@router.post("/{hold_id}/lift", openapi_extra=REPLAYING)
async def lift_hold(context: Ctx, who: Who, hold_id: str, body: Reason) -> HoldOut:
    """Lift a hold; it keeps for a week more. Whom it concerns cannot."""
    changed = await context.services.holds.lift(
        who.person.id,
        who.hospital_id,
        hold_id,
        reason=body.reason,
        concerned=context.keeper.concerns,
    )
    return HoldOut.of(changed, context.services.clock.now())
