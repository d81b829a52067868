"""Why: every rule for a person, a device and an instant, and the next opening."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, IPvAnyAddress

from admin_api.deps import Ctx, Spoken, Who, instant
from admin_api.security.permissions import READING, GuardedRoute
from admin_api.v1.schemas.base import example, wall
from policy import i18n

router = APIRouter(tags=["why"], route_class=GuardedRoute)


class FindingOut(BaseModel):
    """One rule, held or failed."""

    code: str
    held: bool
    sentence: str
    next_step: str | None
    mover: str | None


class OpeningOut(BaseModel):
    """The next opening; the end is not part of it."""

    start: datetime
    end: datetime
    start_local: str
    end_local: str


class ExplanationOut(BaseModel):
    """Whether the person could reach the device then, and why."""

    model_config = example(
        allowed=False,
        at="2026-11-23T18:30:00Z",
        at_local="2026-11-23 19:30",
        findings=[
            {
                "code": "O3",
                "held": False,
                "sentence": "Aucune plage n'est ouverte.",
                "next_step": "Demander une plage.",
                "mover": "planner",
            }
        ],
        next_opening=None,
    )

    allowed: bool
    at: datetime
    at_local: str
    findings: list[FindingOut]
    next_opening: OpeningOut | None


@router.get("/why", openapi_extra=READING)
async def why(
    context: Ctx,
    who: Who,
    language: Spoken,
    person: Annotated[str, Query(max_length=64, description="Login.")],
    device: Annotated[str, Query(max_length=64, description="Name.")],
    account: Annotated[str | None, Query(max_length=64)] = None,
    at: Annotated[
        str | None, Query(max_length=64, description="Instant with its offset; default: now.")
    ] = None,
    source: Annotated[
        IPvAnyAddress | None, Query(alias="from", description="Where she would come from.")
    ] = None,
) -> ExplanationOut:
    """Explain, without opening anything: all rules in gate order, to the hospital's staff."""
    hospital = await context.services.hospitals.get(who.hospital_id)
    zone = hospital.timezone
    moment = instant(at, "at") or context.clock.now()
    found = await context.services.access.explain(
        who.hospital_id,
        person,
        device,
        account,
        at=moment,
        source=str(source) if source is not None else None,
    )
    opening = found.next_opening
    return ExplanationOut(
        allowed=found.allowed,
        at=moment,
        at_local=wall(moment, zone),
        findings=[
            FindingOut(
                code=finding.code,
                held=finding.held,
                sentence=i18n.sentence(finding, language, zone),
                next_step=i18n.next_step(finding, language, zone) or None,
                mover=finding.mover,
            )
            for finding in found.findings
        ],
        next_opening=OpeningOut(
            start=opening[0],
            end=opening[1],
            start_local=wall(opening[0], zone),
            end_local=wall(opening[1], zone),
        )
        if opening is not None
        else None,
    )
