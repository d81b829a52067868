"""Retention: the rule, what is due and what stays, and the purge, which tells how far it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Who
from admin_api.evidence import note
from admin_api.security.permissions import RESUMING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.retention import PlanOut, RetentionOut, RuleIn, RuleOut
from policy.services.tokens import Principal

router = APIRouter(prefix="/retention", tags=["retention"], route_class=GuardedRoute)

_BEAT_SECONDS = 5.0
"""A line at least this often: nobody between takes the connection for dead while one large trace goes."""


@router.get("", openapi_extra=RESUMING)
async def get_retention(context: Ctx, who: Who) -> RetentionOut:
    """Show how long recordings are kept, and every rule that was asked for."""
    services, at = context.services, context.services.clock.now()
    history = await services.retention.history(who.person.id, who.hospital_id)
    rule = await services.retention.rule(who.hospital_id)
    return RetentionOut(rule=RuleOut.of(rule, at), history=[RuleOut.of(one, at) for one in history])


@router.post("/rules", status_code=201, openapi_extra=RESUMING)
async def set_rule(context: Ctx, who: Who, body: RuleIn) -> RuleOut:
    """Set how long recordings are kept: longer at once, shorter once another person approved, and a week later."""
    made = await context.services.retention.ask(
        who.person.id,
        who.hospital_id,
        recordings_days=body.recordings_days,
        reason=body.reason,
        decider=body.decider,
    )
    return RuleOut.of(made, context.services.clock.now())


@router.post("/rules/{rule_id}/approve", openapi_extra=RESUMING)
async def approve_rule(context: Ctx, who: Who, rule_id: str) -> RuleOut:
    """Approve a shortening that somebody else asked for; it is in force a week later."""
    changed = await context.services.retention.approve(who.person.id, who.hospital_id, rule_id)
    return RuleOut.of(changed, context.services.clock.now())


@router.post("/rules/{rule_id}/refuse", openapi_extra=RESUMING)
async def refuse_rule(context: Ctx, who: Who, rule_id: str, body: Reason) -> RuleOut:
    """Refuse or take back a shortening that is not in force yet."""
    changed = await context.services.retention.refuse(
        who.person.id, who.hospital_id, rule_id, reason=body.reason
    )
    return RuleOut.of(changed, context.services.clock.now())


@router.get("/plan", openapi_extra=RESUMING)
async def get_plan(
    context: Ctx,
    who: Who,
    days: Annotated[int, Query(ge=0, le=366, description="Due within so many days; 0: now.")] = 30,
) -> PlanOut:
    """Show what is going to be purged, when, and what stays and why. Nothing is touched."""
    del who  # its roles were looked at; the keeper works for the one hospital of this console
    found = await context.keeper.plan(timedelta(days=days))
    return PlanOut.of(found, context.clock.now())


@router.post("/run", openapi_extra=RESUMING, response_class=StreamingResponse)
async def run_purge(context: Ctx, who: Who) -> StreamingResponse:
    """Purge now what is due, as JSON lines: ``{"part", "done", "of"}``, then ``{"fates"}``. It also happens by itself."""
    await note(context, who, "retention.run_asked")
    return StreamingResponse(_purged(context, who), media_type="application/x-ndjson")


async def _purged(context: Context, who: Principal) -> AsyncIterator[str]:
    lines: asyncio.Queue[dict[str, object]] = asyncio.Queue(maxsize=0)
    work = asyncio.create_task(_purge(context, who, lines))
    beat: dict[str, object] = {}
    try:
        while not (work.done() and lines.empty()):
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_SECONDS):
                    beat = await lines.get()
            yield json.dumps(beat) + "\n"
            if "fates" in beat or "error" in beat:
                break
        await work
    finally:
        work.cancel()


async def _purge(context: Context, who: Principal, lines: "asyncio.Queue[dict[str, object]]") -> None:
    def told(part: str, done: int, of: int) -> None:
        lines.put_nowait({"part": part, "done": done, "of": of})

    try:
        fates = dict(await context.keeper.purge(told))
        await note(context, who, "retention.run", details=fates)
    except Exception:
        lines.put_nowait({"error": "purge_stopped"})
        raise
    lines.put_nowait({"fates": fates})
