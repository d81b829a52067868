"""Proofs of the whole store: checkpoints, and a verification of every trace that tells how far it is."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Paging, Who
from admin_api.errors import BadCursor, TraceUnreadable
from admin_api.evidence import note
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.v1.schemas.proofs import Anchored, CheckpointOut, CheckpointsPage, StoreProof
from admin_api.v1.streams import Told, progress
from admin_api.v1.tarball import pack
from admin_api.verification import VERIFIED, shelf_of, told_of
from policy.errors import NotFound
from policy.services.tokens import Principal
from recorder.errors import TraceNotFound
from recorder.proof.export import PublicKeys, export
from recorder.proof.extract import extract
from recorder.proof.notary import stored

router = APIRouter(tags=["proofs"], route_class=GuardedRoute)

Sessions = Annotated[
    list[Annotated[str, Field(max_length=64)]] | None,
    Query(max_length=100, description="Only what proves these."),
]


@router.get("/checkpoints", openapi_extra=VERIFYING)
async def list_checkpoints(context: Ctx, who: Who, page: Paging) -> CheckpointsPage:
    """List the signed checkpoints of the hospital's journal and catalogue, the oldest first."""
    after = page.after or "0"
    if not after.isdecimal():
        raise BadCursor
    rows = await stored(context.proofs.database, who.hospital_id, after=int(after[:18]), limit=page.limit + 1)
    part = rows[: page.limit]
    return CheckpointsPage(
        items=[CheckpointOut.of(row) for row in part],
        next=str(part[-1].sequence) if len(rows) > page.limit else None,
    )


@router.post("/checkpoints", status_code=201, openapi_extra=VERIFYING)
async def make_checkpoint(context: Ctx, who: Who) -> CheckpointsPage:
    """Commit to what journal and catalogue hold now, in a signed checkpoint: one, or more where much is new."""
    made = await context.proofs.checkpoint(who.person.id, force=True)
    return CheckpointsPage(
        items=[
            CheckpointOut(sequence=one.checkpoint.sequence, at=one.checkpoint.at, digest=one.digest)
            for one in made
        ]
    )


@router.get("/proofs/export", openapi_extra=VERIFYING, response_class=StreamingResponse)
async def export_proofs(context: Ctx, who: Who, session: Sessions = None) -> StreamingResponse:
    """Stream what the stand-alone verifier reads beside the traces, in a tar: checkpoints, journal, catalogue, public keys.

    With ``session``, only the checkpoints that tell of these sessions and the public keys: nothing of the others.
    """
    folder = TemporaryDirectory(prefix="ecluse-export-")
    target = Path(folder.name) / "export"
    try:
        await context.proofs.checkpoint(who.person.id, force=True)
        keys, database = PublicKeys(context.trace_keys, context.proofs.keys), context.proofs.database
        if session:
            await extract(database, who.hospital_id, session, target, keys)
        else:
            await export(database, who.hospital_id, target, keys)
        await note(context, who, "proofs.exported", details={"sessions": session or []})
    except TraceNotFound as missing:
        folder.cleanup()
        raise NotFound("trace", ", ".join(session or [])) from missing
    except BaseException:
        folder.cleanup()
        raise
    return StreamingResponse(_packed(folder), media_type="application/x-tar")


def _packed(folder: "TemporaryDirectory[str]") -> Iterator[bytes]:
    with folder:
        yield from pack(Path(folder.name) / "export")


@router.post("/traces/verify", openapi_extra=VERIFYING, response_class=StreamingResponse)
async def verify_all(context: Ctx, who: Who, body: Anchored | None = None) -> StreamingResponse:
    """Verify checkpoints, journal, catalogue and every trace, as JSON lines: ``{"part", "done", "of"}``, then ``{"proof"}``."""
    if not context.trace_keys:
        raise TraceUnreadable("no public key of a gateway is known here")
    work = _verified(context, who, body or Anchored())
    return StreamingResponse(progress(work, "verification_stopped"), media_type="application/x-ndjson")


def _verified(
    context: Context, who: Principal, body: Anchored
) -> Callable[[Told], Awaitable[dict[str, Any]]]:
    async def work(told: Told) -> dict[str, Any]:
        anchors = [one.anchor(who.hospital_id) for one in body.anchors]
        found = await context.proofs.verify_store(
            await shelf_of(context, who.hospital_id), anchors, progress=told
        )
        await note(context, who, VERIFIED, details=told_of(found))
        return {"proof": StoreProof.of(found).model_dump(mode="json")}

    return work
