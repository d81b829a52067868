"""Evidence packages: what one would hold, the package itself, and the keys by which somebody elsewhere checks it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Who, instant
from admin_api.dossier.making import make
from admin_api.dossier.scope import MOST, Asked, Scope, scope
from admin_api.named import named
from admin_api.security.permissions import REPLAYING, VERIFYING, GuardedRoute
from admin_api.v1.schemas.evidence import EvidencePlan, KeysOut
from policy.services.tokens import Principal

router = APIRouter(prefix="/evidence", tags=["evidence"], route_class=GuardedRoute)

Sessions = Annotated[
    list[Annotated[str, Field(max_length=64)]] | None, Query(max_length=MOST, description="These sessions.")
]
PersonName = Annotated[
    str | None, Query(max_length=64, description="Or this person's, by login or identifier.")
]
From = Annotated[str | None, Query(alias="from", description="Opened at or after this instant.")]
To = Annotated[str | None, Query(description="Opened before this instant.")]
Reason = Annotated[
    str,
    Query(min_length=3, max_length=500, description="Why it is made: the journal and the package keep it."),
]


@router.get("/plan", openapi_extra=VERIFYING)
async def plan_evidence(
    context: Ctx,
    who: Who,
    session: Sessions = None,
    person: PersonName = None,
    from_: From = None,
    to: To = None,
) -> EvidencePlan:
    """Show what a package would hold, without reading any of it."""
    return EvidencePlan.of(await _scope(context, who, session, person, (from_, to)))


@router.get("/keys", openapi_extra=VERIFYING)
async def evidence_keys(context: Ctx, who: Who) -> KeysOut:
    """Show the fingerprints of the keys that sign, for whoever calls to compare them with those of a package."""
    del who
    return KeysOut.of(context.trace_keys, context.proofs.keys)


@router.get("", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def make_evidence(
    context: Ctx,
    who: Who,
    reason: Reason,
    session: Sessions = None,
    person: PersonName = None,
    from_: From = None,
    to: To = None,
) -> StreamingResponse:
    """Stream a zip of all that proves these sessions, for a judge and whoever checks it without us.

    It holds the traces as stored, transcripts and films in the clear, and an index signed by this console. Each session
    in it is read, and the journal says so.
    """
    wanted = await _scope(context, who, session, person, (from_, to))
    pieces = await make(context, who, wanted, reason)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(wanted)}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def file_name(wanted: Scope) -> str:
    """Return what the package is called: by its first session's digits and day, plain letters only."""
    first = wanted.sessions[0].header
    return f"evidence-{first.started_at:%Y-%m-%d}-{first.session_id[:8]}.zip"


async def _scope(
    context: Context,
    who: Principal,
    sessions: list[str] | None,
    person: str | None,
    span: tuple[str | None, str | None],
) -> Scope:
    found = await named(context, who, person=person)
    asked = Asked(
        sessions=tuple(sessions or ()),
        person_id=found["person"].id if person is not None else None,
        since=instant(span[0], "from"),
        until=instant(span[1], "to"),
    )
    return await scope(context, who, asked)
