"""Search: what was on screen, commands, files and findings, over every trace that the index holds.

A hit is a piece of a trace, so it takes what reading one takes: the security role and a reason, and an entry in the
journal, with what was asked, before anything is answered.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from admin_api.deps import Context, Ctx, Who
from admin_api.errors import BadCursor
from admin_api.evidence import note
from admin_api.named import moment, named
from admin_api.security.permissions import REPLAYING, VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import Page, shown
from admin_api.v1.schemas.windows import Fold
from policy.errors import Conflict
from policy.services.tokens import Principal
from recorder.search.hits import MAX_HITS, Hit, Hits, Search
from recorder.search.index import Standing
from recorder.search.indexer import Indexer
from recorder.search.passages import Kind
from recorder.search.query import MAX_QUERY, parse
from recorder.search.query import Query as Words
from recorder.search.rendering import State

router = APIRouter(prefix="/search", tags=["search"], route_class=GuardedRoute)

LONGEST_CURSOR = 18
"""Digits of a number that a database takes."""
TROUBLED = 100
"""How many traces that are not wholly indexed are listed, of each state."""

Reason = Annotated[
    str, Query(min_length=3, max_length=500, description="Why it is searched: the journal keeps it.")
]
Name = Annotated[str | None, Query(max_length=200, description="Name or identifier.")]
Moment = Annotated[
    str | None, Query(max_length=40, description="On the hospital's clock, or with an offset.")
]


class PieceOut(BaseModel):
    """A piece of a snippet."""

    text: str
    hit: bool = Field(description="It is what was asked for.")


class HitOut(BaseModel):
    """One passage found. Its text came from a device: it is harmless on a terminal, and data in a page."""

    session_id: str
    person_id: str
    person_login: str
    person_name: str
    supplier: str
    device_id: str
    device_name: str
    account_name: str
    kind: Kind
    channel: int
    at: datetime
    at_ms: int = Field(description="Milliseconds since the session began: where a replay opens.")
    snippet: str
    pieces: list[PieceOut]

    @classmethod
    def of(cls, hit: Hit) -> "HitOut":
        """Show a *hit*."""
        return cls(
            session_id=hit.session_id,
            kind=hit.kind,
            channel=hit.channel,
            at=hit.started + timedelta(milliseconds=hit.at_ms),
            at_ms=hit.at_ms,
            snippet="".join(piece.text for piece in hit.snippet),
            pieces=[PieceOut(text=piece.text, hit=piece.hit) for piece in hit.snippet],
            **hit.facts,
        )


class Progress(BaseModel):
    """How many traces are in the index, and how far."""

    total: int = Field(description="Traces that there are to be indexed.")
    indexed: int
    truncated: int = Field(description="Only their begin is found: the rest is over a bound.")
    failed: int
    waiting: int = Field(description="No reader's key is at hand, or they have not arrived.")


class SearchPage(Page[HitOut]):
    """One page of hits, those indexed last first, and how much of what there is was searched."""

    stopped: bool = Field(description="It took too long and was stopped: ask for rarer words, or for less.")
    progress: Progress


class TroubledOut(BaseModel):
    """A trace that is not wholly in the index, and why."""

    session_id: str
    state: State
    why: str
    at: datetime
    started: datetime
    person_login: str
    device_name: str

    @classmethod
    def of(cls, one: Standing) -> "TroubledOut":
        """Show where a trace stands."""
        return shown(cls, one, person_login=one.facts["person_login"], device_name=one.facts["device_name"])


class StandingOut(BaseModel):
    """How far the index has come."""

    progress: Progress
    troubled: list[TroubledOut]


@router.get("", openapi_extra=REPLAYING)
async def search_traces(
    context: Ctx,
    who: Who,
    q: Annotated[str, Query(max_length=2 * MAX_QUERY, examples=['"rm -rf" device:scan01'])],
    reason: Reason,
    device: Name = None,
    person: Name = None,
    supplier: Name = None,
    kind: Kind | None = None,
    from_: Annotated[Moment, Query(alias="from")] = None,
    to: Moment = None,
    from_fold: Fold | None = None,
    to_fold: Fold | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_HITS)] = 50,
    after: Annotated[str | None, Query(max_length=20)] = None,
) -> SearchPage:
    """Find what was shown and done: words, "phrases", prefix*, and device:, person:, supplier:, session:, kind:."""
    words = parse(q)
    filters = {**words.filters, **({} if kind is None else {"kind": kind.value})}
    hospital = await context.services.hospitals.get(who.hospital_id)
    wanted = Asked(
        words=Words(words.match, filters),
        typed=q,
        reason=reason,
        device=device,
        person=person,
        supplier=supplier,
        since=moment(from_, from_fold, "from", hospital),
        until=moment(to, to_fold, "to", hospital),
        limit=limit,
        after=_cursor(after),
    )
    found = await searched(context, who, wanted)
    return SearchPage(
        items=[HitOut.of(hit) for hit in found.found],
        next=None if found.after is None else str(found.after),
        stopped=found.stopped,
        progress=await progress(context, who),
    )


@router.get("/standing", openapi_extra=VERIFYING)
async def standing(context: Ctx, who: Who) -> StandingOut:
    """Show how far the index has come, and which traces are not wholly in it."""
    index = indexer(context).index(who.hospital_id)
    troubled: list[TroubledOut] = []
    for state in (State.FAILED, State.TRUNCATED, State.WAITING):
        found = await asyncio.to_thread(index.standing, state, TROUBLED)
        troubled += [TroubledOut.of(one) for one in found]
    return StandingOut(progress=await progress(context, who), troubled=troubled)


@router.post("/rebuild", status_code=202, openapi_extra=VERIFYING)
async def rebuild(context: Ctx, who: Who) -> Progress:
    """Have the index made anew from the traces; searching goes on over what is there already."""
    found = indexer(context)
    await note(context, who, "search.rebuilt")
    found.rebuild(who.hospital_id)
    total = await found.total(who.hospital_id)
    return Progress(total=total, **dict.fromkeys((state.value for state in State), 0))


class Asked(BaseModel):
    """A search as somebody asked for it; the journal keeps all of it."""

    words: Words
    typed: str
    reason: str
    device: str | None = None
    person: str | None = None
    supplier: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: int | None = None


async def searched(context: Context, who: Principal, asked: Asked) -> Hits:
    """Search, and write to the journal who asked what for which reason, before anything is answered.

    Raises NotFound for an unknown name, Conflict where the search is off, IndexUnavailable, JournalBroken.
    """
    found = indexer(context)
    filters = asked.words.filters
    whom = await named(
        context,
        who,
        device=asked.device or filters.get("device"),
        person=asked.person or filters.get("person"),
        supplier=asked.supplier or filters.get("supplier"),
    )
    search = Search(
        query=asked.words,
        whom={noun: one.id for noun, one in whom.items()},
        since=asked.since,
        until=asked.until,
        after=asked.after,
        limit=asked.limit,
    )
    hits = await asyncio.to_thread(found.index(who.hospital_id).search, search)
    gone = await found.purged(who.hospital_id, [hit.session_id for hit in hits.found])
    kept = [hit for hit in hits.found if hit.session_id not in gone]
    await note(
        context, who, "search.made", details=_told(asked, {n: one.name for n, one in whom.items()}, kept)
    )
    return Hits(kept, hits.after, hits.stopped)


def indexer(context: Context) -> Indexer:
    """Return the search of this console; raises Conflict where the settings turn it off."""
    if context.search is None:
        raise Conflict("the search is off in this installation's settings (search.enabled)")
    return context.search


async def progress(context: Context, who: Principal) -> Progress:
    """Return how far the index of the caller's hospital has come."""
    found = indexer(context)
    counts = await asyncio.to_thread(found.index(who.hospital_id).counts)
    if found.condemned(who.hospital_id):
        counts = dict.fromkeys(State, 0)
    total = await found.total(who.hospital_id)
    return Progress(total=total, **{state.value: count for state, count in counts.items()})


def _told(asked: Asked, whom: Mapping[str, str], hits: list[Hit]) -> dict[str, object]:
    spans = {"from": asked.since, "to": asked.until}
    return {
        "query": asked.typed,
        "reason": asked.reason,
        **whom,
        **{name: at.isoformat() for name, at in spans.items() if at is not None},
        "hits": len(hits),
        "sessions": sorted({hit.session_id for hit in hits}),
    }


def _cursor(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= LONGEST_CURSOR):
        raise BadCursor
    return int(after)
