"""Readers' keys: which there are, unlocked for a time by one person, and old traces wrapped for those who read now."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import StreamingResponse

from admin_api.deps import Context, Ctx, Who, source_of
from admin_api.evidence import note
from admin_api.security.permissions import REPLAYING, VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import NAME_FORM
from admin_api.v1.schemas.readers import ReaderOut, ReadersOut, RewrapIn, RewrapOut, UnlockIn
from admin_api.v1.streams import Told, progress
from policy.errors import Conflict
from policy.services.tokens import Principal
from recorder.seal.rewrapping import Wanted
from recorder.store.rewraps import Rewrapping, Tally

router = APIRouter(prefix="/readers", tags=["readers"], route_class=GuardedRoute)

Name = Annotated[str, Path(pattern=NAME_FORM)]


@router.get("", openapi_extra=VERIFYING)
async def list_readers(context: Ctx) -> ReadersOut:
    """List the keys that traces are sealed for or are opened by, and which are unlocked, by whom, until when."""
    return ReadersOut(items=[ReaderOut.of(state) for state in await context.readers.states()])


@router.post("/{name}/unlock", openapi_extra=REPLAYING)
async def unlock_reader(request: Request, context: Ctx, who: Who, name: Name, body: UnlockIn) -> ReaderOut:
    """Unlock a key for a time, by its passphrase or its token's PIN and a fresh code of one's own."""
    context.ring.lockable(name)
    await context.readers.prove(who, body.code, source_of(request))
    lasting = timedelta(minutes=body.minutes)
    await unlocked(context, who, name, body.secret.get_secret_value(), lasting)
    return await _one(context, name)


async def unlocked(context: Context, who: Principal, name: str, secret: str, lasting: timedelta) -> None:
    """Unlock the key *name* for *lasting*, and let what waits for it into the search; raises what the desk raises."""
    await context.readers.unlock(who, name, secret, lasting)
    if context.search is not None:
        context.search.wake()


@router.post("/{name}/lock", openapi_extra=VERIFYING)
async def lock_reader(context: Ctx, who: Who, name: Name) -> ReaderOut:
    """Lock a key at once."""
    await context.readers.lock(who.person.id, name)
    return await _one(context, name)


@router.post("/rewrap", openapi_extra=REPLAYING, response_class=StreamingResponse)
async def rewrap_traces(request: Request, context: Ctx, who: Who, body: RewrapIn) -> StreamingResponse:
    """Wrap every old trace for the readers of today, as JSON lines: ``{"part", "done", "of"}``, then ``{"tally"}``.

    What was stopped is begun again by the same call, which passes over what is done.
    """
    await context.readers.prove(who, body.code, source_of(request))
    if context.readers.rewrapping.locked():
        raise Conflict("traces are being wrapped again already")
    return StreamingResponse(
        progress(_rewrapped(context, who, body), "rewrapping_stopped"), media_type="application/x-ndjson"
    )


def _rewrapped(
    context: Context, who: Principal, body: RewrapIn
) -> Callable[[Told], Awaitable[dict[str, Any]]]:
    async def work(told: Told) -> dict[str, Any]:
        tally, complete = Tally(), False
        ring = context.ring
        retired = [state.key_id for state in ring.states() if state.retired and not state.active]
        wanted = Wanted(
            targets=ring.targets(),
            retired=retired if body.remove_retired else [],
            signer=context.proofs.notary.key,
        )
        facts: dict[str, object] = {
            "reason": body.reason,
            "for": [reader.key_id for reader in wanted.targets],
            "without": list(wanted.retired),
        }
        run = Rewrapping(context.catalog, context.traces, ring.readers, wanted, context.clock.now)
        async with context.readers.rewrapping:
            await note(context, who, "reader.rewrap_began", details=facts)
            try:
                await run.run(who.hospital_id, tally, lambda done, of: told("wraps", done, of))
                complete = True
            finally:
                facts = {**facts, **tally.counts, "complete": complete}
                await note(context, who, "reader.rewrapped", details=facts)
        return {"tally": RewrapOut.of(tally).model_dump()}

    return work


async def _one(context: Context, name: str) -> ReaderOut:
    states = await context.readers.states()
    return next(ReaderOut.of(state) for state in states if state.name == name)
