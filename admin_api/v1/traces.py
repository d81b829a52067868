"""Traces: listed, proved, and read. Reading one needs the security role and a reason, and is itself an entry."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Paging, Spoken, Who, instant
from admin_api.errors import BadCursor, TracePurged, TraceUnreadable
from admin_api.evidence import attempted, note, note_reading
from admin_api.narration import Narrator
from admin_api.security.permissions import READING, REPLAYING, VERIFYING, GuardedRoute
from admin_api.v1.schemas.traces import TraceOut, TraceProof, TracesPage
from admin_api.v1.tarball import pack
from policy.domain.people import Language
from policy.errors import Conflict, NotFound
from policy.services.tokens import Principal
from recorder.errors import RecorderError, StoreUnavailable, TraceNotFound, TraceSealed
from recorder.replay import asciicast, events, transcript
from recorder.replay.reader import TraceReader, read_manifest, verify
from recorder.store.catalog import CatalogedSession, SessionFilters
from recorder.trace.place import TracePlace

router = APIRouter(prefix="/traces", tags=["traces"], route_class=GuardedRoute)

Reason = Annotated[
    str, Query(min_length=3, max_length=500, description="Why it is read: the journal keeps it.")
]
Renderer = Callable[[TraceReader], Iterator[str]]
Piece = TypeVar("Piece", str, bytes)


@router.get("", openapi_extra=READING)
async def list_traces(
    context: Ctx,
    who: Who,
    page: Paging,
    person_id: Annotated[str | None, Query(max_length=64)] = None,
    device_id: Annotated[str | None, Query(max_length=64)] = None,
    from_: Annotated[str | None, Query(alias="from")] = None,
    to: Annotated[str | None, Query()] = None,
) -> TracesPage:
    """List the traces by what is known of their sessions, the newest first."""
    filters = SessionFilters(
        hospital_id=who.hospital_id,
        person_id=person_id,
        device_id=device_id,
        since=instant(from_, "from"),
        until=instant(to, "to"),
    )
    try:
        found = await context.catalog.sessions(filters, after=page.after, limit=page.limit)
    except TraceNotFound as refused:
        raise BadCursor from refused
    purged = await context.keeper.shelf.purged_at([row.header.session_id for row in found.sessions])
    items = [TraceOut.of(row, purged.get(row.header.session_id)) for row in found.sessions]
    return TracesPage(items=items, next=found.after)


@router.get("/{trace_id}", openapi_extra=READING)
async def get_trace(context: Ctx, who: Who, trace_id: str) -> TraceOut:
    """Show what is known of one trace."""
    session = await _cataloged(context, who, trace_id)
    purged = await context.keeper.shelf.purged_at([session.header.session_id])
    return TraceOut.of(session, purged.get(session.header.session_id))


@router.post("/{trace_id}/verify", openapi_extra=VERIFYING)
async def verify_trace(context: Ctx, who: Who, trace_id: str) -> TraceProof:
    """Prove that nobody touched the trace, or name the first bad record."""
    session = await _cataloged(context, who, trace_id)
    place = await _place(context, session)
    proof = await asyncio.to_thread(_prove, context, session, place)
    await note(
        context,
        who,
        "trace.verified",
        session_id=session.header.session_id,
        details={"intact": proof.valid, "why": proof.why},
    )
    return proof


@router.get("/{trace_id}/asciicast", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def asciicast_of(
    context: Ctx, who: Who, spoken: Spoken, trace_id: str, reason: Reason
) -> StreamingResponse:
    """Stream the trace as asciicast v3, for players. Its output is the device's own: play it, never print it."""
    render = partial(asciicast.export, teller=await _narrator(context, who, spoken))
    return await _rendered(context, who, trace_id, reason, ("export", render, "application/x-asciicast"))


@router.get("/{trace_id}/transcript", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def transcript_of(
    context: Ctx, who: Who, spoken: Spoken, trace_id: str, reason: Reason
) -> StreamingResponse:
    """Stream the trace as plain text in which no control sequence is left, its events told in the reader's language."""
    render = partial(transcript.render, teller=await _narrator(context, who, spoken))
    return await _rendered(context, who, trace_id, reason, ("render", render, "text/plain; charset=utf-8"))


@router.get("/{trace_id}/events", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def events_of(context: Ctx, who: Who, trace_id: str, reason: Reason) -> StreamingResponse:
    """Stream the trace frame by frame as JSON lines, in the format's own words: for programs."""
    form = ("events", events.listing, "application/x-ndjson")
    return await _rendered(context, who, trace_id, reason, form)


@router.get("/{trace_id}/files", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def files_of(context: Ctx, who: Who, trace_id: str, reason: Reason) -> StreamingResponse:
    """Stream the trace's files as they are stored, in a tar: what the offline verifier and replay read."""
    session = await _cataloged(context, who, trace_id)
    place = await _place(context, session)
    async with attempted(context, who, session.header, reason, "files"):
        pieces = await asyncio.to_thread(_begun, _packed(context, place))
    await note_reading(context, who, session.header, reason, "files")
    name = f"{session.header.session_id}.tar"
    return StreamingResponse(
        pieces,
        media_type="application/x-tar",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _narrator(context: Context, who: Principal, spoken: Language) -> Narrator:
    hospital = await context.services.hospitals.get(who.hospital_id)
    return Narrator(spoken, hospital.timezone, context.vocabulary)


async def _rendered(
    context: Context, who: Principal, trace_id: str, reason: str, form: tuple[str, Renderer, str]
) -> StreamingResponse:
    name, render, media_type = form
    session = await _cataloged(context, who, trace_id)
    purged = await context.keeper.shelf.purged_at([session.header.session_id])
    if purged:
        hospital = await context.services.hospitals.get(who.hospital_id)
        raise TracePurged(purged[session.header.session_id], hospital.timezone)
    place = await _place(context, session)
    async with attempted(context, who, session.header, reason, name):
        lines = await asyncio.to_thread(_begun, _lines(context, place, render))
    await note_reading(context, who, session.header, reason, name)
    return StreamingResponse(lines, media_type=media_type)


def _begun(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Return the pieces, the first of which is read already: what cannot be read at all is refused, not cut off."""
    try:
        first = next(pieces, None)
    except (StoreUnavailable, TraceSealed):
        raise
    except RecorderError as broken:
        raise TraceUnreadable(str(broken)) from broken
    return chain([first] if first is not None else [], pieces)


def _lines(context: Context, place: TracePlace, render: Renderer) -> Iterator[str]:
    with context.traces.opened(place) as folder, TraceReader(folder, context.reader_keys) as reader:
        reader.unseal()
        for line in render(reader):
            yield f"{line}\n"


def _packed(context: Context, place: TracePlace) -> Iterator[bytes]:
    with context.traces.opened(place) as folder:
        yield from pack(folder)


async def _cataloged(context: Context, who: Principal, trace_id: str) -> CatalogedSession:
    try:
        return await context.catalog.session(who.hospital_id, trace_id)
    except TraceNotFound as missing:
        raise NotFound("trace", trace_id) from missing


async def _place(context: Context, session: CatalogedSession) -> TracePlace:
    header = session.header
    try:
        return await asyncio.to_thread(
            context.traces.find, header.hospital_id, header.session_id, header.started_at
        )
    except TraceNotFound as missing:
        if session.closing is None:
            raise Conflict("the session is not over: its trace is still with the gateway") from missing
        raise NotFound("trace", header.session_id) from missing


def _prove(context: Context, session: CatalogedSession, place: TracePlace) -> TraceProof:
    with context.traces.opened(place) as folder:
        return _proof(context, session, folder)


def _proof(context: Context, session: CatalogedSession, folder: Path) -> TraceProof:
    keys = {key.key_id: key for key in context.trace_keys}
    if not keys:
        raise TraceUnreadable("no public key of a gateway is known here")
    try:
        signer = read_manifest(folder).signer
    except RecorderError:
        signer = ""
    # a signer that nobody knows is judged by a key that is known, and fails
    key = keys.get(signer) or context.trace_keys[0]
    known = session.closing.manifest_sha256 if session.closing is not None else None
    found = verify(folder, key, manifest_sha256=known, consoles=context.proofs.keys)
    return TraceProof.of(found)
