"""Early erasures: asked for by one with a reason, approved by another, then carried out at once."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from admin_api.deps import Context, Ctx, Paging, Who, source_of
from admin_api.retention.plan import recorded
from admin_api.security.permissions import REPLAYING, RESUMING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.retention import ApprovalIn, ErasureIn, ErasureOut, ErasuresPage
from policy.domain.erasures import Erasure, ErasureState
from policy.domain.holds import Recorded
from policy.errors import NotFound
from policy.services.tokens import Principal
from recorder.errors import TraceNotFound

router = APIRouter(prefix="/erasures", tags=["retention"], route_class=GuardedRoute)


@router.get("", openapi_extra=RESUMING)
async def list_erasures(
    context: Ctx, who: Who, page: Paging, state: Annotated[ErasureState | None, Query()] = None
) -> ErasuresPage:
    """List what was asked for, the last first."""
    states = tuple(ErasureState) if state is None else (state,)
    rows = await context.services.erasures.list(who.person.id, who.hospital_id, states)
    return ErasuresPage.part(rows, page, lambda row: _shown(context, row))


@router.post("", status_code=201, openapi_extra=REPLAYING)
async def ask_erasure(request: Request, context: Ctx, who: Who, body: ErasureIn) -> ErasureOut:
    """Ask that a recording be erased before its time, with a fresh code. Another person must approve; a hold beats it."""
    await context.readers.prove(who, body.code, source_of(request))
    about = await recorded_of(context, who, body.session_id)
    made = await context.services.erasures.ask(who.person.id, who.hospital_id, about, reason=body.reason)
    return _shown(context, made)


@router.post("/{erasure_id}/approve", openapi_extra=RESUMING)
async def approve_erasure(
    request: Request, context: Ctx, who: Who, erasure_id: str, body: ApprovalIn
) -> ErasureOut:
    """Approve, with a fresh code, what somebody else asked for: the recording can be read by nobody a moment later."""
    await context.readers.prove(who, body.code, source_of(request))
    changed = await _decided(context, who, erasure_id, body.reason, approve=True)
    context.keeper.wake()
    return changed


@router.post("/{erasure_id}/refuse", openapi_extra=RESUMING)
async def refuse_erasure(context: Ctx, who: Who, erasure_id: str, body: Reason) -> ErasureOut:
    """Refuse it, or take it back."""
    return await _decided(context, who, erasure_id, body.reason, approve=False)


async def recorded_of(context: Context, who: Principal, session_id: str) -> Recorded:
    """Return what the catalogue tells of a session; raises NotFound."""
    try:
        found = await context.catalog.session(who.hospital_id, session_id)
    except TraceNotFound as missing:
        raise NotFound("trace", session_id) from missing
    return recorded(found)


async def _decided(
    context: Context, who: Principal, erasure_id: str, answer: str, *, approve: bool
) -> ErasureOut:
    erasures = context.services.erasures
    asked = await erasures.get(who.person.id, who.hospital_id, erasure_id)
    about = await recorded_of(context, who, asked.session_id)
    changed = await erasures.decide(
        who.person.id, who.hospital_id, erasure_id, about, approve=approve, answer=answer
    )
    return _shown(context, changed)


def _shown(context: Context, erasure: Erasure) -> ErasureOut:
    return ErasureOut.of(erasure, context.keeper.delays.get(erasure.id))
