"""Extensions of open windows that the requester asks for, and somebody else decides on."""

from datetime import timedelta

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import PLANNING, READING, GuardedRoute
from admin_api.v1.schemas.windows import Decision, ExtensionOut, ExtensionsPage, MoreTime
from admin_api.v1.windows import occurrence_of
from policy.domain.ids import WindowId

router = APIRouter(tags=["extensions"], route_class=GuardedRoute)


@router.get("/extensions", openapi_extra=READING)
async def list_extensions(context: Ctx, who: Who, page: Paging) -> ExtensionsPage:
    """List the extensions that wait for a decision."""
    rows = await context.services.windows.extensions(who.person.id, who.hospital_id)
    return ExtensionsPage.part(rows, page, ExtensionOut.of)


@router.post("/windows/{window_id}/extensions", status_code=201, openapi_extra=PLANNING)
async def ask_extension(context: Ctx, who: Who, window_id: str, body: MoreTime) -> ExtensionOut:
    """Ask that the end of an occurrence be put off."""
    occurrence = await occurrence_of(context, who.person.id, who.hospital_id, window_id, body.occurrence_id)
    asked = await context.services.windows.request_extension(
        who.person.id,
        who.hospital_id,
        WindowId(window_id),
        end=occurrence.end + timedelta(minutes=body.minutes),
        occurrence_id=occurrence.id,
        reason=body.reason,
    )
    return ExtensionOut.of(asked)


@router.post("/extensions/{extension_id}/decide", openapi_extra=PLANNING)
async def decide_extension(context: Ctx, who: Who, extension_id: str, body: Decision) -> ExtensionOut:
    """Grant or refuse an extension that somebody else asked for."""
    decided = await context.services.windows.decide_extension(
        who.person.id, who.hospital_id, extension_id, approve=body.approve, reason=body.reason or ""
    )
    return ExtensionOut.of(decided)
