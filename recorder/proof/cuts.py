"""Whether what is missing at the front of the journal's chains went by rule: the purge record held to the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import accumulate
from typing import Final

from sqlalchemy import select

from recorder.audit.entries import parse
from recorder.audit.purge import LEAST, PURGED, Cut, JournalPurge, StoredPurge, newest
from recorder.errors import JournalBroken, SignatureInvalid, TraceFormatError
from recorder.proof.ledger import CLOCK_TOLERANCE, Ledger
from recorder.store.database import Database
from recorder.store.tables import journal_entries

_PLACE: Final = "purge"


async def believed(database: Database, ledger: Ledger, now: datetime) -> dict[str, tuple[int, str]]:
    """Where each chain, ``hospital/writer``, may begin: what the newest record says and the checkpoints bear out.

    Everything else of the record is a finding, and excuses nothing.

    Args:
        database: Holds the journal.
        ledger: The hospital's checkpoints, walked and dated by their stamps.
        now: Wall clock, aware UTC: a record of the future is none.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    inspection, hospital_id = ledger.inspection, ledger.hospital_id
    async with database.read() as connection:
        row = await newest(connection, hospital_id)
    if row is None:
        return {}
    name = f"purge record {row.number}"
    try:
        made = row.read(hospital_id, list(ledger.keys.values()))
    except (SignatureInvalid, TraceFormatError) as error:
        inspection.found("journal", name, _PLACE, str(error))
        return {}
    at = await _told_at(database, ledger, row, now)
    if at is None:
        inspection.found(
            "journal", name, _PLACE, "no checkpoint commits to an entry that tells of this record"
        )
        return {}
    return _borne_out(made, at, ledger)


def _borne_out(made: JournalPurge, at: datetime, ledger: Ledger) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    since = dict(zip(ledger.dates, accumulate(ledger.dates.values(), max), strict=True))
    for one in made.chains:
        wrong = _wrong(one, at, ledger, since)
        if wrong is None:
            found[f"{made.hospital_id}/{one.writer}"] = (one.seq, one.digest)
        else:
            ledger.inspection.found("journal", f"{one.writer} #{one.seq}", _PLACE, wrong)
    return found


def _wrong(cut: Cut, at: datetime, ledger: Ledger, since: Mapping[int, datetime]) -> str | None:
    """What is wrong with a cut; *since*: no checkpoint counts as older than one before it, so a clock put back gains nothing."""
    committed = ledger.covered.get(cut.writer, {}).get(cut.seq)
    if committed is None or ledger.heads[cut.writer][cut.seq] != cut.digest:
        return "the purge record ends where no checkpoint commits to the chain"
    known = since[committed]
    if at - known < LEAST - CLOCK_TOLERANCE:
        return (
            f"the purge record takes what was known since {known:%Y-%m-%d} only: less than {LEAST.days} days"
        )
    return None


async def _told_at(database: Database, ledger: Ledger, row: StoredPurge, now: datetime) -> datetime | None:
    """When, at the latest, the record was made: by the first checkpoint that commits to the entry which tells of it."""
    table = journal_entries.c
    query = (
        select(table.content)
        .where(table.hospital_id == ledger.hospital_id, table.name == PURGED)
        .order_by(table.at.desc())
    )
    async with database.read() as connection:
        told = (await connection.execute(query)).scalars().all()
    for content in told:
        try:
            entry = parse(content.encode("utf-8", "surrogatepass"))
        except JournalBroken:
            continue
        details = entry.event.details
        if (details.get("number"), details.get("digest")) != (row.number, row.digest):
            continue
        later = [
            sequence for seq, sequence in ledger.covered.get(entry.writer, {}).items() if seq >= entry.seq
        ]
        if later:
            return min(ledger.dated_at_most(min(later)), now)
    return None
