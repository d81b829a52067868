"""The charter and the engagements that technicians accept, by version."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Who
from admin_api.security.permissions import MANAGING, READING, GuardedRoute
from admin_api.v1.schemas.engagements import EngagementTextIn, EngagementTextOut, EngagementTexts
from policy.domain.engagements import EngagementKind

router = APIRouter(prefix="/engagements", tags=["engagements"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_texts(context: Ctx, who: Who) -> EngagementTexts:
    """List every version of every text, by kind, oldest first. There are few, so they come whole."""
    texts = await context.services.engagements.texts(who.person.id, who.hospital_id)
    return EngagementTexts(items=[EngagementTextOut.of(text) for text in texts])


@router.post("/{kind}", status_code=201, openapi_extra=MANAGING)
async def publish_text(
    context: Ctx, who: Who, kind: EngagementKind, body: EngagementTextIn
) -> EngagementTextOut:
    """Publish the next version of a text; who accepted an older one accepts again before the next session."""
    text = await context.services.engagements.publish(
        who.person.id,
        who.hospital_id,
        kind,
        titles=body.titles,
        paragraphs=body.paragraphs,
        effective_at=body.effective,
    )
    return EngagementTextOut.of(text)
