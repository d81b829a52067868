"""Walking the journal's chains."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.audit.entries import GENESIS, JournalEntry, columns_of, digest, parse
from recorder.audit.purge import Cuts
from recorder.errors import JournalBroken
from recorder.store.tables import journal_entries


@dataclass(frozen=True, slots=True)
class BadEntry:
    """The first entry that does not hold.

    Attributes:
        hospital_id: Whose journal.
        writer: Whose chain.
        seq: Its number in the chain; of the missing one where one is missing.
        what: ``missing``, ``digest``, ``previous``, ``column`` or ``content``.
        detail: One sentence.
    """

    hospital_id: str
    writer: str
    seq: int
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class JournalVerification:
    """What a walk found.

    Attributes:
        bad: The first bad entry, or None.
        entries: Entries that hold, up to there.
        heads: For each chain, ``hospital/writer``, the number and digest of its last entry: to be
            kept elsewhere and given back as ``known``, for a chain cut short at its end still holds
            in itself, and so does one written anew from its start.
        gone: Entries that are not there any more, by rule, at the front of the chains.
    """

    bad: BadEntry | None
    entries: int
    heads: dict[str, tuple[int, str]]
    gone: int = 0

    @property
    def intact(self) -> bool:
        """Whether every entry holds."""
        return self.bad is None


async def verify_chains(
    connection: AsyncConnection,
    *,
    writer: str | None,
    hospital_id: str | None,
    known: Mapping[str, Mapping[int, str]],
    seen: Callable[[JournalEntry], None] | None = None,
    cuts: Cuts | None = None,
) -> JournalVerification:
    """Check each chain from its first entry on, or from where a purge record lets it begin.

    Args:
        connection: To read from, within one snapshot.
        writer: Only this writer's chains.
        hospital_id: Only this hospital's.
        known: Digests of entries by their number, for each chain, kept elsewhere: the chains walked must still
            contain them.
        seen: Told of each entry that holds.
        cuts: Up to which entry chains may have lost their front: any number of entries up to there, from the first on.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    cuts = cuts or {}
    table = journal_entries.c
    query = select(journal_entries).order_by(table.hospital_id, table.writer, table.seq)
    if writer is not None:
        query = query.where(table.writer == writer)
    if hospital_id is not None:
        query = query.where(table.hospital_id == hospital_id)
    heads: dict[str, tuple[int, str]] = {}
    count, gone = 0, 0
    async for row in await connection.stream(query):
        chain = f"{row.hospital_id}/{row.writer}"
        if chain not in heads:
            heads[chain] = _begin(row, cuts.get(chain))
            gone += heads[chain][0]
        seq, previous = heads[chain]
        entry = _check(row, seq + 1, previous)
        bad = entry if isinstance(entry, BadEntry) else _check_known(row, known.get(chain, {}))
        if bad is not None:
            return JournalVerification(bad, count, heads, gone)
        if seen is not None and isinstance(entry, JournalEntry):
            seen(entry)
        heads[chain] = (row.seq, row.digest)
        count += 1
    gone += sum(seq for chain, (seq, _) in cuts.items() if chain not in heads)
    return JournalVerification(_cut_short({**cuts, **heads}, known), count, heads, gone)


def _begin(row: Row[Any], cut: tuple[int, str] | None) -> tuple[int, str]:
    """What stands before the first entry that is there; an empty digest where nobody knows it any more."""
    if cut is None or not 1 < row.seq <= cut[0] + 1:
        return 0, GENESIS
    return row.seq - 1, cut[1] if row.seq == cut[0] + 1 else ""


def _check_known(row: Row[Any], known: Mapping[int, str]) -> BadEntry | None:
    if known.get(row.seq, row.digest) == row.digest:
        return None
    detail = f"entry {row.seq} is not the one that stood there before: the chain was written anew"
    return BadEntry(row.hospital_id, row.writer, row.seq, "digest", detail)


def _cut_short(
    heads: Mapping[str, tuple[int, str]], known: Mapping[str, Mapping[int, str]]
) -> BadEntry | None:
    for chain, digests in sorted(known.items()):
        found, _ = heads.get(chain, (0, GENESIS))
        seq = max(digests, default=0)
        if found < seq:
            hospital_id, _, writer = chain.partition("/")
            detail = f"entry {found + 1} is missing: the chain went on to entry {seq}"
            return BadEntry(hospital_id, writer, found + 1, "missing", detail)
    return None


def _check(row: Row[Any], expected: int, previous: str) -> JournalEntry | BadEntry:
    def bad(what: str, detail: str, seq: int = row.seq) -> BadEntry:
        return BadEntry(row.hospital_id, row.writer, seq, what, detail)

    if row.seq != expected:
        return bad("missing", f"entry {expected} is missing: entry {row.seq} stands in its place", expected)
    content = row.content.encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(digest(content), str(row.digest).encode("ascii", "replace").decode()):
        return bad("digest", f"entry {row.seq} is not the one that was written: its digest differs")
    try:
        entry = parse(content)
    except JournalBroken as error:
        return bad("content", str(error))
    if previous and entry.previous != previous:
        return bad("previous", f"entry {row.seq} does not continue the entry before it")
    for name, value in columns_of(entry).items():
        if getattr(row, name) != value:
            return bad("column", f"entry {row.seq}: its column {name} is not what was written")
    return entry
