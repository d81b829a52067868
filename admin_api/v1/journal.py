"""The security journal: read, and proved. Proving it is itself an entry."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from admin_api.deps import Context, Ctx, Paging, Who, instant
from admin_api.errors import BadCursor
from admin_api.evidence import note
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.v1.schemas.base import Input, Page, example
from admin_api.v1.schemas.proofs import AnchorIn, FindingOut
from admin_api.verification import first_of
from policy.domain.ids import HospitalId, PersonId
from policy.errors import NotFound
from recorder.audit.entries import JournalEntry
from recorder.audit.journal import JournalFilters
from recorder.errors import JournalBroken
from recorder.trace.instants import parse as parse_instant

router = APIRouter(prefix="/journal", tags=["journal"], route_class=GuardedRoute)


class EntryOut(BaseModel):
    """One entry of one writer's chain. ``actor`` is a person's login where it was a person."""

    writer: str
    seq: int
    at: datetime
    name: str
    actor: str | None
    person: str | None
    device: str | None
    session_id: str | None
    source: str | None
    details: dict[str, Any]
    digest: str


class JournalPage(Page[EntryOut]):
    """One page of the journal."""


class Head(Input):
    """The last entry of one writer's chain."""

    writer: str = Field(max_length=200)
    seq: int = Field(ge=1, le=2**53)
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class Known(Input):
    """What is known from elsewhere: heads of an earlier proof, anchors of checkpoints.

    A chain cut short at its end, written anew, or rolled back with everything else, fails by them.
    """

    model_config = example(known=[{"writer": "console", "seq": 42, "digest": "0f" * 32}])

    known: list[Head] = Field(default=[], max_length=10_000)
    anchors: list[AnchorIn] = Field(default=[], max_length=10_000)


class JournalProof(BaseModel):
    """What a walk over the chains found; ``why`` names the first bad entry. Keep ``heads`` on another machine.

    ``what`` and ``why`` are those of the first of ``findings``, which also tell of checkpoints and anchors; ``entry`` is
    its chain and number where it is an entry.
    """

    valid: bool
    entries: int
    what: str | None
    entry: str | None
    why: str | None
    heads: list[Head]
    checkpoints: int
    newest: int | None
    newest_at: datetime | None
    findings: list[FindingOut]
    remarks: list[FindingOut]


@router.get("", openapi_extra=VERIFYING)
async def list_entries(
    context: Ctx,
    who: Who,
    page: Paging,
    name: Annotated[str | None, Query(max_length=100, description="Also all names below it.")] = None,
    person: Annotated[str | None, Query(max_length=64, description="Login.")] = None,
    device: Annotated[str | None, Query(max_length=64, description="Name.")] = None,
    session: Annotated[str | None, Query(max_length=64)] = None,
    from_: Annotated[str | None, Query(alias="from")] = None,
    to: Annotated[str | None, Query()] = None,
) -> JournalPage:
    """List the journal, the newest first."""
    people, devices = await _names(context, who.person.id, who.hospital_id)
    filters = JournalFilters(
        hospital_id=who.hospital_id,
        name=name,
        person_id=_id_of(people, person, "person"),
        device_id=_id_of(devices, device, "device"),
        session_id=session,
        since=instant(from_, "from"),
        until=instant(to, "to"),
        newest_first=True,
    )
    try:
        found = await context.journal.entries(filters, after=page.after, limit=page.limit)
    except JournalBroken as refused:
        if page.after is None:
            raise
        raise BadCursor from refused
    return JournalPage(items=[_shown(entry, people, devices) for entry in found.entries], next=found.after)


@router.post("/verify", openapi_extra=VERIFYING)
async def verify_journal(context: Ctx, who: Who, body: Known | None = None) -> JournalProof:
    """Walk the checkpoints and this hospital's chains, and name what was changed, taken away or put in.

    What was taken away since the last checkpoint, or with the checkpoints, shows only to who gives what is known of
    them elsewhere: anchors, or the heads of an earlier proof.
    """
    prefix, told = f"{who.hospital_id}/", body or Known()
    known: dict[str, dict[int, str]] = {}
    for head in told.known:
        known.setdefault(f"{prefix}{head.writer}", {})[head.seq] = head.digest
    anchors = [one.anchor(who.hospital_id) for one in told.anchors]
    found = await context.proofs.verify_ledger(anchors, known=known)
    entries = found.counts["entries"]
    bad = found.findings[0] if found.findings else None
    details = {"intact": found.intact, "entries": entries, **first_of(found)}
    await note(context, who, "journal.verified", details=details)
    return JournalProof(
        valid=found.intact,
        entries=entries,
        what=bad.what if bad is not None else None,
        entry=bad.name if bad is not None and bad.place == "journal" else None,
        why=f"{bad.name}: {bad.detail}" if bad is not None else None,
        checkpoints=found.counts["checkpoints"],
        newest=found.newest[0] if found.newest is not None else None,
        newest_at=parse_instant(found.newest[1]) if found.newest is not None else None,
        findings=[FindingOut.of(one) for one in found.findings],
        remarks=[FindingOut.of(one) for one in found.remarks],
        heads=[
            Head(writer=chain.removeprefix(prefix), seq=seq, digest=digest)
            for chain, (seq, digest) in sorted(found.heads.items())
        ],
    )


async def _names(
    context: Context, actor: PersonId, hospital_id: HospitalId
) -> tuple[dict[str, str], dict[str, str]]:
    people = await context.services.people.list(actor, hospital_id)
    devices = await context.services.devices.list(actor, hospital_id)
    return {row.id: row.login for row in people}, {row.id: row.name for row in devices}


def _id_of(names: dict[str, str], wanted: str | None, noun: str) -> str | None:
    if wanted is None:
        return None
    found = next((key for key, name in names.items() if wanted in (key, name)), None)
    if found is None:
        raise NotFound(noun, wanted)
    return found


def _shown(entry: JournalEntry, people: dict[str, str], devices: dict[str, str]) -> EntryOut:
    event = entry.event
    return EntryOut(
        writer=entry.writer,
        seq=entry.seq,
        at=event.at,
        name=event.name,
        actor=people.get(event.actor or "", event.actor),
        person=people.get(event.person_id or "", event.person_id),
        device=devices.get(event.device_id or "", event.device_id),
        session_id=event.session_id,
        source=event.source,
        details=dict(event.details),
        digest=entry.digest,
    )
