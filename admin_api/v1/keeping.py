"""The trace store as gateways find it, and what was replayed after each outage."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from admin_api.deps import Ctx, Paging, Who
from admin_api.errors import BadCursor
from admin_api.keeping import Keeping, gaps, keepings, sessions_of
from admin_api.security.permissions import READING, VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import Page, shown
from recorder.audit.entries import JournalEntry
from recorder.errors import JournalBroken

router = APIRouter(prefix="/store", tags=["traces"], route_class=GuardedRoute)


class KeepingOut(BaseModel):
    """How one gateway finds the trace store."""

    node: str
    reachable: bool
    unreachable_since: datetime | None
    error: str | None = Field(description="Why the store does not take its traces.")
    spool_percent: int | None = Field(
        description="How full its spool was when it last passed 80 %; none while it has room."
    )
    told_at: datetime

    @classmethod
    def of(cls, keeping: Keeping) -> "KeepingOut":
        """Show *keeping*."""
        return shown(cls, keeping, reachable=keeping.unreachable_since is None, spool_percent=keeping.percent)


class StoreStatus(BaseModel):
    """The gateways that ever could not reach the store; those that always could are not listed."""

    reachable: bool = Field(description="Whether every gateway reaches it, as far as the journal tells.")
    gateways: list[KeepingOut]


class GapSession(BaseModel):
    """What of one trace came to the store afterwards."""

    session_id: str
    bytes: int
    records: int
    segments: int


class GapOut(BaseModel):
    """One gap report: an entry of the journal's chain, named by writer and number."""

    writer: str
    seq: int
    digest: str
    node: str
    since: datetime
    until: datetime
    shipped_at: datetime
    kind: str
    error: str
    relapses: int = Field(description="How often the store served in between, and broke off again.")
    session_count: int
    bytes: int
    records: int
    segments: int
    sessions: list[GapSession] = Field(description="At most 200 of them.")
    missing: list[str] = Field(description="Traces that waited and were taken from the spool by somebody.")

    @classmethod
    def of(cls, entry: JournalEntry) -> "GapOut":
        """Show *entry*."""
        told: dict[str, Any] = dict(entry.event.details)
        told["sessions"] = [GapSession.model_validate(one) for one in sessions_of(told)]
        return cls(
            writer=entry.writer,
            seq=entry.seq,
            digest=entry.digest,
            missing=told.pop("missing", []),
            **{name: told[name] for name in _TOLD},
        )


_TOLD = (
    *("node", "since", "until", "shipped_at", "kind", "error", "relapses"),
    *("session_count", "bytes", "records", "segments", "sessions"),
)


class GapsPage(Page[GapOut]):
    """One page of gap reports."""


@router.get("", openapi_extra=READING)
async def show_store(context: Ctx, who: Who) -> StoreStatus:
    """Show whether the gateways' traces arrive in the store."""
    found = [KeepingOut.of(one) for one in await keepings(context.journal, who.hospital_id)]
    return StoreStatus(reachable=all(one.reachable for one in found), gateways=found)


@router.get("/gaps", openapi_extra=VERIFYING)
async def list_gaps(context: Ctx, who: Who, page: Paging) -> GapsPage:
    """List what was replayed after each outage of the store, the newest first."""
    try:
        found, after = await gaps(context.journal, who.hospital_id, after=page.after, limit=page.limit)
    except JournalBroken as refused:
        raise BadCursor from refused
    return GapsPage(items=[GapOut.of(entry) for entry in found], next=after)
