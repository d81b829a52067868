"""The journal as a stream: what was added since a reader last looked, and where a chain does not go on as it must."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.audit.entries import GENESIS, JournalEntry, digest, parse
from recorder.audit.purge import signed_cuts
from recorder.errors import JournalBroken
from recorder.seal.signing import PublicKey
from recorder.store.database import Database
from recorder.store.tables import journal_entries

MAX_LOOK = 1000
"""Entries that one look returns at most."""

_t = journal_entries.c
_HEADS = text(
    """
    WITH RECURSIVE chains(writer) AS (
        SELECT min(writer) FROM journal_entries WHERE hospital_id = :hospital
        UNION ALL
        SELECT (SELECT min(e.writer) FROM journal_entries e
                WHERE e.hospital_id = :hospital AND e.writer > chains.writer)
        FROM chains WHERE chains.writer IS NOT NULL
    )
    SELECT writer,
           (SELECT max(e.seq) FROM journal_entries e
            WHERE e.hospital_id = :hospital AND e.writer = chains.writer) AS seq
    FROM chains WHERE writer IS NOT NULL
    """
)
"""The last number of each chain: a step of the primary key's index a chain, however many entries there are."""


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a reader has read one writer's chain: the last entry's number and digest."""

    seq: int = 0
    digest: str = GENESIS


@dataclass(frozen=True, slots=True)
class Fed:
    """One entry as it was found.

    Attributes:
        writer: Whose chain.
        position: Where a reader stands after it: its number and digest as kept; those of the last entry that is left
            where the chain was shortened.
        entry: The entry; None where there is none to read.
        fault: None, or ``missing`` (numbers are left out before it), ``previous`` (it does not follow what was read
            before), ``digest`` or ``content`` (it was changed), ``shortened`` (entries read before are gone).
    """

    writer: str
    position: Position
    entry: JournalEntry | None
    fault: str | None = None

    @property
    def seq(self) -> int:
        """Its number in the chain."""
        return self.position.seq


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, each chain in its order, and the positions to look on from."""

    fed: list[Fed] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)


class JournalFeed:
    """Reads one hospital's journal on, chain by chain.

    A chain has one writer, which commits its entries one after the other: so an entry that was not there at a look
    has a higher number than all that were, and nothing is ever passed over. No order between writers is promised.
    """

    def __init__(self, database: Database, hospital_id: str, keys: Sequence[PublicKey]) -> None:
        """Read the journal of *hospital_id* in *database*; what went by a record that one of *keys* signed is no fault."""
        self._database = database
        self._hospital_id = hospital_id
        self._keys = keys

    async def look(self, known: Mapping[str, Position], limit: int = MAX_LOOK) -> Look:
        """Return at most *limit* entries that come after the *known* positions, and the positions that moved.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        found = Look()
        async with self._database.read() as connection:
            heads = await self._heads(connection)
            cuts = await signed_cuts(connection, self._hospital_id, self._keys)
            for writer, position in known.items():
                if position.seq > max(heads.get(writer, 0), cuts.get(writer, (0, ""))[0]):
                    await self._shortened(connection, writer, heads.get(writer, 0), found)
            for writer, head in heads.items():
                position = found.positions.get(writer) or known.get(writer) or Position()
                cut = cuts.get(writer, (0, GENESIS))
                if position.seq < cut[0]:
                    position = await self._begun(connection, writer, cut)
                room = limit - len(found.fed)
                if head > position.seq and room > 0:
                    await self._follow(connection, writer, position, room, found)
        return found

    async def behind(self, known: Mapping[str, Position]) -> int:
        """Return how many entries come after the *known* positions.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        async with self._database.read() as connection:
            heads = await self._heads(connection)
            cuts = await signed_cuts(connection, self._hospital_id, self._keys)
        read = {writer: seq for writer, (seq, _) in cuts.items()}
        read.update({writer: max(at.seq, read.get(writer, 0)) for writer, at in known.items()})
        return sum(max(0, head - read.get(writer, 0)) for writer, head in heads.items())

    async def _heads(self, connection: AsyncConnection) -> dict[str, int]:
        rows = await connection.execute(_HEADS, {"hospital": self._hospital_id})
        return {row.writer: row.seq for row in rows}

    async def _begun(self, connection: AsyncConnection, writer: str, cut: tuple[int, str]) -> Position:
        """Where a chain of which the front went begins now: at the cut, or before it while the purge is under way."""
        mine = (_t.hospital_id == self._hospital_id) & (_t.writer == writer)
        query = select(_t.seq, _t.content).where(mine).order_by(_t.seq).limit(1)
        first = (await connection.execute(query)).first()
        if first is None or first.seq > cut[0]:
            return Position(*cut)
        try:
            return Position(first.seq - 1, parse(first.content.encode()).previous)
        except JournalBroken:  # told as a fault of that entry
            return Position(first.seq - 1)

    async def _shortened(self, connection: AsyncConnection, writer: str, head: int, found: Look) -> None:
        """Say once that entries are gone: the position goes back to what is left."""
        row = None
        if head:
            mine = (_t.hospital_id == self._hospital_id) & (_t.writer == writer) & (_t.seq == head)
            row = (await connection.execute(select(_t.digest).where(mine))).first()
        left = Position() if row is None else Position(head, row.digest)
        found.fed.append(Fed(writer, left, None, "shortened"))
        found.positions[writer] = left

    async def _follow(
        self, connection: AsyncConnection, writer: str, position: Position, room: int, found: Look
    ) -> None:
        after = (_t.hospital_id == self._hospital_id) & (_t.writer == writer) & (_t.seq > position.seq)
        query = select(_t.seq, _t.content, _t.digest).where(after).order_by(_t.seq).limit(room)
        for row in await connection.execute(query):
            here = Position(row.seq, row.digest)
            found.fed.append(_fed(writer, here, row.content.encode(), position))
            position = here
        found.positions[writer] = position


def _fed(writer: str, here: Position, content: bytes, before: Position) -> Fed:
    try:
        entry = parse(content)
    except JournalBroken:
        return Fed(writer, here, None, "content")
    # as bytes: text beyond ASCII, which who writes rows may write, is not compared but raises
    if not hmac.compare_digest(digest(content).encode(), here.digest.encode()):
        return Fed(writer, here, entry, "digest")
    if here.seq != before.seq + 1:
        return Fed(writer, here, entry, "missing")
    if entry.previous != before.digest or (entry.writer, entry.seq) != (writer, here.seq):
        return Fed(writer, here, entry, "previous")
    return Fed(writer, here, entry)
