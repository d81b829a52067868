"""Sessions: live ones as policy counts them, past ones as they were recorded, and the cut."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from admin_api.deps import Context, Ctx, Paging, Who, source_of
from admin_api.errors import BadCursor
from admin_api.security.permissions import READING, RESUMING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Input, Page, Reason, Text, example, shown
from policy.domain.access import Cut, RevocationScope
from policy.domain.ids import HospitalId, SessionId
from policy.domain.sessions import LiveSession
from policy.domain.sessions import SessionState as State
from policy.errors import InvalidInput
from recorder.errors import TraceNotFound
from recorder.store.catalog import CatalogedSession, SessionFilters, SessionState

router = APIRouter(tags=["sessions"], route_class=GuardedRoute)

_REMEMBERED = timedelta(days=90)


class Wanted(StrEnum):
    """Which sessions to list."""

    LIVE = "live"
    PAST = "past"


class SessionOut(BaseModel):
    """One continuous connection through the gateway. ``lost``: its gateway no longer answers."""

    id: str
    person_id: str
    person_login: str
    device_id: str
    device_name: str
    account_name: str
    window_id: str
    node: str
    source: str
    started: datetime
    ended: datetime | None
    state: State
    reason: str | None = Field(description="Why it ended.")

    @classmethod
    def of_policy(cls, session: LiveSession) -> "SessionOut":
        """Show a session as policy counts it."""
        return shown(
            cls,
            session,
            id=session.session_id,
            started=session.opened_at,
            ended=session.closed_at,
            reason=session.end_reason,
        )

    @classmethod
    def of_catalog(cls, session: CatalogedSession) -> "SessionOut":
        """Show a session as it was recorded."""
        header, closing = session.header, session.closing
        return shown(
            cls,
            header,
            id=header.session_id,
            **header.named(),
            window_id=header.window["id"],
            started=header.started_at,
            ended=session.closed_at,
            state=State(session.state.value),
            reason=closing.end_reason if closing is not None else None,
        )


class SessionsPage(Page[SessionOut]):
    """One page of sessions."""


class CutIn(Input):
    """What to cut. ``target`` is the id of a session, person, supplier or device, empty for all."""

    model_config = example(
        scope="person", target="9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4", reason="Demande du service"
    )

    scope: RevocationScope
    target: str = Field(default="", max_length=64)
    reason: Text
    code: str | None = Field(default=None, max_length=32, description="A fresh code of one's own: for `all`.")


class CutOut(BaseModel):
    """A cut, committed: gateways act on it within two seconds."""

    scope: RevocationScope
    target: str
    at: datetime
    reason: str
    sessions: int = Field(description="How many sessions were open in its scope; 0: it ends nothing.")


class Gates(BaseModel):
    """Whether a general cut keeps everybody out: since when, by whom, why; nulls while people get in as usual."""

    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


@router.get("/sessions", openapi_extra=READING)
async def list_sessions(
    context: Ctx,
    who: Who,
    page: Paging,
    state: Wanted = Wanted.LIVE,
    prefix: Annotated[
        str | None, Query(pattern="^[0-9a-f]{1,32}$", description="Of the last 90 days.")
    ] = None,
) -> SessionsPage:
    """List the sessions open now (or lost), or with ``state=past`` those that ended, the newest first."""
    if prefix is not None:
        since = context.clock.now() - _REMEMBERED
        rows = await context.services.access.sessions(who.hospital_id, ended_since=since)
        rows = [row for row in rows if row.session_id.startswith(prefix)]
    elif state is Wanted.PAST:
        return await _past(context, who.hospital_id, page.after, page.limit)
    else:
        rows = await context.services.access.sessions(who.hospital_id)
    return SessionsPage.part(rows, page, SessionOut.of_policy, key=lambda row: row.session_id)


@router.get("/sessions/{session_id}", openapi_extra=READING)
async def get_session(context: Ctx, who: Who, session_id: str) -> SessionOut:
    """Show one session."""
    return SessionOut.of_policy(await context.services.access.session(who.hospital_id, SessionId(session_id)))


@router.post("/sessions/{session_id}/cut", openapi_extra=STOPPING)
async def cut_session(context: Ctx, who: Who, session_id: str, body: Reason) -> CutOut:
    """Cut one session, wherever it is."""
    session = await context.services.access.session(who.hospital_id, SessionId(session_id))
    made = await context.services.revocations.cut(
        who.person.id, who.hospital_id, RevocationScope.SESSION, session.session_id, body.reason
    )
    return _cut(made)


@router.post("/cuts", status_code=201, openapi_extra=STOPPING)
async def cut(request: Request, context: Ctx, who: Who, body: CutIn) -> CutOut:
    """Cut every session of a person, a supplier or a device; or everything, after which nobody gets in until it is reopened."""
    if body.scope is RevocationScope.ALL:
        if body.target:
            raise InvalidInput("target", "leave it empty to cut all sessions")
        if not body.code:
            raise InvalidInput("code", "a fresh code is asked for to cut everything")
        await context.readers.prove(who, body.code, source_of(request))
        return _cut(
            await context.services.revocations.cut_everything(who.person.id, who.hospital_id, body.reason)
        )
    made = await context.services.revocations.cut(
        who.person.id, who.hospital_id, body.scope, body.target, body.reason
    )
    return _cut(made)


@router.post("/reopen", openapi_extra=RESUMING)
async def reopen(context: Ctx, who: Who, body: Reason) -> Gates:
    """Let people in again after a general cut, as their windows say."""
    await context.services.revocations.reopen(who.person.id, who.hospital_id, body.reason)
    return Gates(closed_at=None, closed_by=None, reason=None)


@router.get("/gates", openapi_extra=READING)
async def gates(context: Ctx, who: Who) -> Gates:
    """Tell whether a general cut keeps everybody out."""
    closure = (await context.services.hospitals.get(who.hospital_id)).closure
    if closure is None:
        return Gates(closed_at=None, closed_by=None, reason=None)
    return Gates(closed_at=closure.at, closed_by=closure.by, reason=closure.reason)


async def _past(context: Context, hospital_id: HospitalId, after: str | None, limit: int) -> SessionsPage:
    filters = SessionFilters(hospital_id=hospital_id, state=SessionState.ENDED)
    try:
        found = await context.catalog.sessions(filters, after=after, limit=limit)
    except TraceNotFound as refused:
        raise BadCursor from refused
    return SessionsPage(items=[SessionOut.of_catalog(row) for row in found.sessions], next=found.after)


def _cut(made: Cut) -> CutOut:
    revocation = made.revocation
    return CutOut(
        scope=revocation.scope,
        target=revocation.target,
        at=revocation.at,
        reason=revocation.reason,
        sessions=made.sessions,
    )
