"""Making an evidence package: what proves is gathered and the making journalled before a byte of it leaves."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from admin_api.console.staff.listing import registered
from admin_api.deps import Context
from admin_api.dossier.contents import Dossier
from admin_api.dossier.scope import Scope
from admin_api.evidence import attempted, note, note_reading
from policy.errors import Conflict
from policy.services.tokens import Principal
from recorder.audit.journal import JournalFilters
from recorder.audit.purge import gone
from recorder.errors import TraceNotFound
from recorder.proof.anchors import Anchor
from recorder.proof.checkpoint import Checkpoint, digest
from recorder.proof.export import PublicKeys
from recorder.proof.extract import extract
from recorder.trace import instants

ENTRIES: Final = 300
"""Entries of the journal that a page tells, a session; the journal's own runs hold them all."""
MADE: Final = "evidence.made"


async def make(context: Context, who: Principal, wanted: Scope, reason: str) -> Iterator[bytes]:
    """Return the pieces of the package of *wanted*, to be read in a thread, the first of them made already.

    The journal knows first, of each session, that *who* reads it and why. Raises ReaderKeyLocked and TraceSealed where
    a trace cannot be read now, Conflict where no checkpoint covers a session yet, JournalBroken, StoreUnavailable,
    PolicyUnavailable, SQLAlchemyError, OSError.
    """
    hospital = await context.services.hospitals.get(who.hospital_id)
    folder = TemporaryDirectory(prefix="ecluse-evidence-")
    dossier = Dossier(
        context=context,
        scope=wanted,
        hospital=hospital,
        maker=who.person,
        reason=reason,
        made_at=context.clock.now(),
        folder=folder,
        gone=await gone(context.proofs.database, who.hospital_id, context.proofs.keys),
        registry=await registered(context.services, who.person.id, who.hospital_id),
    )
    try:
        for one in wanted.sessions:
            async with attempted(context, who, one.header, reason, "evidence"):
                await asyncio.to_thread(dossier.check, one)
        await context.proofs.checkpoint(who.person.id, force=True)
        await _proofs(context, who, wanted, Path(folder.name) / "extract")
        await _entries(context, who, dossier)
        await _note(context, who, wanted, reason)
        pieces = dossier.pieces()
        first = await asyncio.to_thread(next, pieces, b"")
    except TraceNotFound as uncovered:
        folder.cleanup()
        raise Conflict("no checkpoint covers that session yet: try again in a minute") from uncovered
    except BaseException:
        folder.cleanup()
        raise
    return chain([first], pieces)


async def _proofs(context: Context, who: Principal, wanted: Scope, target: Path) -> None:
    database = context.proofs.database
    keys = PublicKeys(context.trace_keys, context.proofs.keys)
    await extract(database, who.hospital_id, wanted.ids, target, keys, journal=True)
    await asyncio.to_thread(_authorities, context, target / "keys" / "authorities.pem")
    await asyncio.to_thread(_anchors, who.hospital_id, target)


def _anchors(hospital_id: str, target: Path) -> None:
    """Write what was told elsewhere of each checkpoint at hand."""
    with (target / "anchors.jsonl").open("wb") as file:
        for path in sorted((target / "checkpoints").rglob("*.json"), key=lambda path: path.name):
            content = path.read_bytes()
            made = Checkpoint.from_json(content)
            told = Anchor(hospital_id, made.sequence, digest(content), instants.text(made.at))
            file.write(told.to_json() + b"\n")


def _authorities(context: Context, path: Path) -> None:
    roots = [root for authority in context.proofs.authorities for root in authority.roots]
    if roots:
        path.write_bytes(b"".join(root.public_bytes(Encoding.PEM) for root in dict.fromkeys(roots)))


async def _entries(context: Context, who: Principal, dossier: Dossier) -> None:
    for session_id in dossier.scope.ids:
        filters = JournalFilters(hospital_id=who.hospital_id, session_id=session_id)
        found = await context.journal.entries(filters, limit=ENTRIES)
        dossier.entries[session_id] = found.entries
        if found.after is not None:
            dossier.more.add(session_id)


async def _note(context: Context, who: Principal, wanted: Scope, reason: str) -> None:
    for one in wanted.sessions:
        await note_reading(context, who, one.header, reason, "evidence")
    asked = wanted.asked
    await note(
        context,
        who,
        MADE,
        session_id=wanted.ids[0] if len(wanted.ids) == 1 else None,
        person_id=asked.person_id,
        details={
            "reason": reason,
            "sessions": wanted.ids,
            "from": None if asked.since is None else asked.since.isoformat(),
            "to": None if asked.until is None else asked.until.isoformat(),
        },
    )
