"""Derogations: the weaknesses of old devices, who answers for them, and until when."""

from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import READING, RESUMING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.derogations import DerogationIn, DerogationOut, DerogationsPage
from policy.domain.ids import DerogationId, DeviceId

router = APIRouter(tags=["devices"], route_class=GuardedRoute)


@router.get("/derogations", openapi_extra=READING)
async def list_derogations(
    context: Ctx, who: Who, page: Paging, device_id: Annotated[str | None, Query(max_length=32)] = None
) -> DerogationsPage:
    """List the derogations, over or not, the last to end first; ``device_id`` keeps one device's."""
    device = None if device_id is None else DeviceId(device_id)
    rows = await context.services.derogations.list(who.person.id, who.hospital_id, device)
    at = context.services.clock.now()
    return DerogationsPage.part(rows, page, lambda row: DerogationOut.of(row, at))


@router.post("/devices/{device_id}/derogations", status_code=201, openapi_extra=RESUMING)
async def accept_weaknesses(context: Ctx, who: Who, device_id: str, body: DerogationIn) -> DerogationsPage:
    """Answer for weaknesses of a device until a date: whoever calls is who decides."""
    made = await context.services.derogations.accept(
        who.person.id,
        who.hospital_id,
        DeviceId(device_id),
        reason=body.reason,
        until=body.until,
        weaknesses=body.weaknesses,
    )
    at = context.services.clock.now()
    return DerogationsPage(items=[DerogationOut.of(row, at) for row in made])


@router.post("/derogations/{derogation_id}/withdraw", openapi_extra=RESUMING)
async def withdraw_derogation(context: Ctx, who: Who, derogation_id: str, body: Reason) -> DerogationOut:
    """Take a derogation back: the sessions that hang on it are ended."""
    changed = await context.services.derogations.withdraw(
        who.person.id, who.hospital_id, DerogationId(derogation_id), reason=body.reason
    )
    return DerogationOut.of(changed, context.services.clock.now())
