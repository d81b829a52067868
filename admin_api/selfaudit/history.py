"""The register of self-audits: each is one entry of the journal, which holds the signed report whole."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from admin_api.selfaudit.machines import AuditKeys
from admin_api.selfaudit.report import LARGEST, CheckResult, Outcome, Report, digest
from admin_api.selfaudit.words import FINDINGS
from recorder.audit.entries import JournalEntry
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import SignatureInvalid, TraceFormatError

MADE: Final = "self_audit.made"
LONGEST: Final = timedelta(days=365)
"""Rule T4: for so long an audit tells that the bastion is looked at; after that it counts as unaudited."""
CLOCKS: Final = timedelta(minutes=5)
TOLD_LATE: Final = timedelta(hours=6)
"""A report is told at once; an entry that tells of an older one is none of its own hour."""
_NAMED: Final = len(FINDINGS)
_PAGE: Final = 25
_READ: Final = 1000
"""Entries that are read at most, for what nobody signed may be as large as what somebody did."""
_UNBELIEVED: Final = 50
_FEW: Final = 4
"""Of one machine the newest is wanted, and what stands above it is nobody's."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One audit as the journal has it. ``report`` None: the entry holds none that a key known here signed; ``document`` is empty then."""

    at: datetime
    document: bytes
    sha256: str
    report: Report | None


async def kept(journal: Journal, hospital_id: str, keys: AuditKeys, *, most: int = 100) -> list[Kept]:
    """Return the newest audits of the hospital, at most so many, and the newest few that nobody signed; the newest first.

    Others write into the journal too: what they write takes the place of no audit. Raises JournalBroken, SQLAlchemyError.
    """
    filters = JournalFilters(hospital_id=hospital_id, name=MADE, newest_first=True)
    room, found, read = {True: most, False: _UNBELIEVED}, list[Kept](), 0
    async for entries in journal.pages(filters, size=_PAGE):
        for one in await asyncio.to_thread(_judged, entries, keys):
            believed = one.report is not None
            room[believed] -= 1
            if room[believed] >= 0:
                found.append(one)
        read += len(entries)
        if room[True] <= 0 or read >= _READ:
            break
    return found


async def latest(
    journal: Journal, hospital_id: str, keys: AuditKeys, node: str
) -> tuple[Kept, Report] | None:
    """Return the newest believed audit of *node*, however many of other machines are newer; None where there is none.

    It asks for that machine's entries alone: among a year of others' a silent one would be lost, and never be overdue.
    Raises JournalBroken, SQLAlchemyError.
    """
    filters = JournalFilters(hospital_id=hospital_id, name=MADE, node=node, newest_first=True)
    read = 0
    async for entries in journal.pages(filters, size=_FEW):
        found = newest(await asyncio.to_thread(_judged, entries, keys), node)
        read += len(entries)
        if found is not None or read >= _READ:
            return found
    return None


async def audited(
    journal: Journal, hospital_id: str, keys: AuditKeys, found: Sequence[Kept], nodes: Iterable[str]
) -> dict[str, datetime]:
    """Return when each machine among those *found* last audited itself, and each of *nodes*, whose last may be older.

    Raises JournalBroken, SQLAlchemyError.
    """
    told = machines(found)
    for node in nodes:
        last = None if node in told else await latest(journal, hospital_id, keys, node)
        if last is not None:
            told[node] = last[1].made_at
    return told


def of(event: SecurityEvent, keys: AuditKeys) -> Kept:
    """Return the audit that the *event* holds; without its report where none of its machine's *keys* signed it for this event."""
    document = str(event.details.get("report") or "").encode("utf-8", "replace")
    report = _believed(event, document, keys)
    return Kept(event.at, b"" if report is None else document, digest(document), report)


def _judged(entries: Sequence[JournalEntry], keys: AuditKeys) -> list[Kept]:
    return [of(entry.event, keys) for entry in entries]


def _believed(event: SecurityEvent, document: bytes, keys: AuditKeys) -> Report | None:
    if len(document) > LARGEST:
        return None
    try:
        report, _ = Report.opened(document, keys.of(str(event.details.get("node"))))
    except (SignatureInvalid, TraceFormatError):
        return None
    late = event.at - report.finished_at
    # the two-tier lock's front belongs to no hospital, and counts for the one where its key is registered
    front = report.hospital_id == "" and report.node in keys.machines.names()
    fits = (front or report.hospital_id == event.hospital_id) and -CLOCKS <= late <= TOLD_LATE
    said = tuple(event.details.get(name) for name in ("node", "failures", "made_at"))
    told = (report.node, len(report.checks(Outcome.FAILED)), report.made_at.isoformat())
    return report if fits and said == told else None


def newest(audits: Sequence[Kept], node: str | None = None) -> tuple[Kept, Report] | None:
    """Return the newest believed one of *audits*, of *node* where one is named; None where there is none."""
    found = [
        (one, one.report) for one in audits if one.report is not None and node in {None, one.report.node}
    ]
    return max(found, key=lambda pair: pair[1].made_at, default=None)


def machines(audits: Sequence[Kept]) -> dict[str, datetime]:
    """Return when each machine that a believed one of *audits* tells of last audited itself."""
    found = dict[str, datetime]()
    for one in audits:
        if (report := one.report) is not None:
            found[report.node] = max(report.made_at, found.get(report.node, report.made_at))
    return found


def facts(report: Report, document: bytes, before: Report | None) -> dict[str, Any]:
    """Return what the journal keeps of a *report*: counts, what is new since the one *before*, and the whole of it."""
    failed = report.checks(Outcome.FAILED)
    known = set() if before is None else {one.identity for one in before.checks(Outcome.FAILED)}
    new = [one for one in failed if one.identity not in known]
    return {
        "audit": report.id,
        "node": report.node,
        "made_at": report.made_at.isoformat(),
        "occasion": report.occasion,
        "outcome": report.outcome.value,
        "failures": len(failed),
        "undone": len(report.checks(Outcome.UNDONE)),
        "notices": len(report.checks(Outcome.NOTICE)),
        "new": len(new),
        "found": _named(new or failed),
        **dict(zip(FINDINGS, map(_told, new or failed), strict=False)),
        "sha256": digest(document),
        "report": document.decode(),
    }


def overdue(last: datetime | None, now: datetime) -> bool:
    """Tell whether rule T4 is broken: no audit, or none for twelve months."""
    return last is None or now - last > LONGEST


def _told(check: CheckResult) -> str:
    """Return the keys and arguments that say it in any language, as an alarm keeps them: one short text."""
    return json.dumps([check.check, check.finding, dict(check.arguments)], separators=(",", ":"))


def _named(checks: Sequence[CheckResult]) -> str:
    more = f" (+{len(checks) - _NAMED})" if len(checks) > _NAMED else ""
    return "; ".join(f"{one.subject}: {one.sentence}" for one in checks[:_NAMED]) + more
