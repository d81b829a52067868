"""The hospital of the caller."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import MANAGING, READING, GuardedRoute
from admin_api.v1.schemas.places import ContactIn, ContinuationBody, HospitalOut, HospitalsPage
from policy.domain.ids import HospitalId
from policy.errors import NotFound

router = APIRouter(prefix="/hospitals", tags=["hospitals"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_hospitals(context: Ctx, who: Who, page: Paging) -> HospitalsPage:
    """List the hospitals that the caller can see: her own."""
    own = await context.services.hospitals.get(who.hospital_id)
    return HospitalsPage.part([own], page, HospitalOut.of)


@router.get("/{hospital_id}", openapi_extra=READING)
async def get_hospital(context: Ctx, who: Who, hospital_id: str) -> HospitalOut:
    """Show the caller's hospital; any other is not found."""
    return HospitalOut.of(await context.services.hospitals.get(_own(who.hospital_id, hospital_id)))


@router.patch("/{hospital_id}", openapi_extra=MANAGING)
async def change_hospital(context: Ctx, who: Who, hospital_id: str, body: ContactIn) -> HospitalOut:
    """Change the contact shown on every banner and refusal."""
    changed = await context.services.hospitals.update(
        who.person.id, _own(who.hospital_id, hospital_id), security_contact=body.security_contact
    )
    return HospitalOut.of(changed)


@router.put("/{hospital_id}/continuation", openapi_extra=MANAGING)
async def allow_continuations(
    context: Ctx, who: Who, hospital_id: str, body: ContinuationBody
) -> HospitalOut:
    """Let a completed log-in be continued from the same address to the same device, or 0 and 0 for never."""
    changed = await context.services.hospitals.allow_continuations(
        who.person.id,
        _own(who.hospital_id, hospital_id),
        seconds=body.seconds,
        connections=body.connections,
    )
    return HospitalOut.of(changed)


def _own(hospital_id: HospitalId, asked: str) -> HospitalId:
    if asked != hospital_id:
        raise NotFound("hospital", asked)
    return hospital_id
