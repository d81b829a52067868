"""An extract: what proves a few sessions, for whoever shall not get the rest (FORMAT.md, section 13)."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from recorder.errors import TraceNotFound
from recorder.proof.export import (
    CHECKPOINTS,
    JOURNAL,
    KEYS,
    PublicKeys,
    stamps_of,
    write_checkpoint,
    write_entries,
    write_purge_record,
)
from recorder.proof.notary import StoredCheckpoint, stored
from recorder.store.database import Database
from recorder.store.tables import checkpoint_facts, checkpoint_heads, checkpoint_stamps, journal_entries
from recorder.trace.frames import canonical

EXTRACT: Final = "extract.json"
TRACES: Final = "traces"
FORMAT: Final = "ecluse-extract"
VERSION: Final = 1
_PAGE = 500


async def extract(
    database: Database,
    hospital_id: str,
    sessions: Sequence[str],
    folder: Path,
    keys: PublicKeys,
    *,
    journal: bool = False,
) -> None:
    """Write the checkpoints that tell of these sessions, without a gap up to the first time stamp that covers them all.

    The traces themselves are the caller's to put under ``traces/<session>/``.

    Args:
        database: To be read.
        hospital_id: Whose.
        sessions: Which; each must be closed, and covered by a checkpoint.
        folder: Is made; must not be there.
        keys: Who verifies in earnest has them from elsewhere.
        journal: Also the runs of the journal that tell of these sessions. An entry is proved by its neighbours up to the
            next checkpoint, so they hold entries about others too. The record of what went of the journal by rule goes
            with them: it says why there may be none.

    Raises:
        TraceNotFound: No checkpoint tells that one of them closed: make one first.
        OSError: The folder cannot be written.
        SQLAlchemyError: The database refuses.
    """
    first, last = await _span(database, hospital_id, sessions)
    (folder / CHECKPOINTS).mkdir(parents=True)
    (folder / JOURNAL).mkdir()
    keys.write(folder / KEYS)
    told = {"format": FORMAT, "version": VERSION, "hospital_id": hospital_id, "sessions": sorted(sessions)}
    (folder / EXTRACT).write_bytes(canonical(told))
    stamps = await stamps_of(database, hospital_id, first, last)
    for row in await _between(database, hospital_id, first, last):
        write_checkpoint(folder / CHECKPOINTS, row, stamps.get(row.sequence, {}))
    if journal:
        await _runs(database, hospital_id, sessions, folder / JOURNAL / "journal.log", (first, last))
        await write_purge_record(database, hospital_id, folder / JOURNAL)


async def _span(database: Database, hospital_id: str, sessions: Sequence[str]) -> tuple[int, int]:
    facts, stamps = checkpoint_facts.c, checkpoint_stamps.c
    query = select(facts.session_id, facts.fact, facts.sequence).where(
        facts.hospital_id == hospital_id, facts.session_id.in_(sessions)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
        missing = sorted(set(sessions) - {row.session_id for row in rows if row.fact == "closed"})
        if missing:
            raise TraceNotFound(f"no checkpoint tells yet that session {missing[0]} closed")
        last = max(row.sequence for row in rows)
        stamped = select(func.min(stamps.sequence)).where(
            stamps.hospital_id == hospital_id, stamps.sequence >= last
        )
        covering = (await connection.execute(stamped)).scalar()
    return min(row.sequence for row in rows), covering if covering is not None else last


async def _between(database: Database, hospital_id: str, first: int, last: int) -> list[StoredCheckpoint]:
    found: list[StoredCheckpoint] = []
    after = first - 1
    while after < last:
        rows = await stored(database, hospital_id, after=after, limit=min(_PAGE, last - after))
        if not rows:
            break
        found += rows
        after = rows[-1].sequence
    return found


async def _runs(
    database: Database, hospital_id: str, sessions: Sequence[str], path: Path, span: tuple[int, int]
) -> None:
    """Write each chain in runs: from an entry about one of the sessions to the first head at hand that follows it."""
    entries, heads = journal_entries.c, checkpoint_heads.c
    about = (
        select(entries.writer, entries.seq)
        .where(entries.hospital_id == hospital_id, entries.session_id.in_(sessions))
        .order_by(entries.writer, entries.seq)
    )
    async with database.read() as connection:
        wanted: dict[str, list[int]] = defaultdict(list)
        for row in await connection.execute(about):
            wanted[row.writer].append(row.seq)
        known: dict[str, list[int]] = defaultdict(list)
        ends = (
            select(heads.writer, heads.seq)
            .where(heads.hospital_id == hospital_id, heads.sequence.between(*span))
            .order_by(heads.writer, heads.seq)
        )
        async for row in await connection.stream(ends):
            if row.writer in wanted:
                known[row.writer].append(row.seq)
    for writer, seqs in wanted.items():
        for first, last in _spans(seqs, known[writer]):
            await write_entries(database, hospital_id, path, writer, (first - 1, last))


def _spans(seqs: Sequence[int], heads: Sequence[int]) -> list[tuple[int, int]]:
    """The runs, first and last number, in which each of these entries is proved by one of these *heads*; both sorted."""
    found: list[tuple[int, int]] = []
    for seq in seqs:
        place = bisect_left(heads, seq)
        if place == len(heads):
            break
        if found and seq <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], heads[place]))
        else:
            found.append((seq, heads[place]))
    return found
