"""Purging the front of the journal's chains: what is old goes whole up to a checkpoint, recorded and signed before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, and_, column, delete, func, insert, or_, select, values

from recorder.audit.purge import PURGED, Cut, JournalPurge, StoredPurge, newest
from recorder.ports import Now
from recorder.retention.witness import Witness
from recorder.seal.signing import PublicKey, SigningKey
from recorder.store.database import Database
from recorder.store.tables import (
    checkpoint_heads,
    checkpoints,
    journal_entries,
    journal_purges,
    sessions_opened,
)

KEPT: Final = timedelta(days=366)
"""Twelve months, whichever they are."""
AGAIN: Final = timedelta(days=7)
"""Between two purges: each leaves a record, which tells of every chain."""
_MARGIN: Final = timedelta(days=2)
"""How long before and after a period entries may tell of a session that was open in it."""
_BATCH: Final = 2000
_CHAINS: Final = 2000
"""Chains that one question names at most: a database takes so many values, and not many more."""

_t = journal_entries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Whose entries stay, with all that follow them in their chains: those that meet one of the criteria, in the period."""

    session_id: str | None = None
    person_id: str | None = None
    device_id: str | None = None
    intervention_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlan:
    """What is due of the journal.

    Attributes:
        count: Entries that go.
        before: What went was known to a checkpoint at or before this aware instant; None where nothing is old enough.
        chains: Where the chains will begin, those that begin there already among them.
        held: Chains of which a hold keeps something that would be due.
        next_at: The earliest that it is done: not more often than `AGAIN`.
    """

    count: int
    before: datetime | None
    chains: Sequence[Cut]
    held: int
    next_at: datetime | None


class JournalPurger:
    """Decides what is due, keeps the record of it, and deletes what a record names; asks nobody whether it may.

    Args:
        database: Holds journal, checkpoints and records.
        hospital_id: Whose.
        key: Signs the records: the one that signs checkpoints.
        now: Wall clock.
        known: Whose records count: that key's, and those before it.
    """

    def __init__(
        self, database: Database, hospital_id: str, key: SigningKey, now: Now, *, known: Sequence[PublicKey]
    ) -> None:
        self._database = database
        self._hospital_id = hospital_id
        self._key = key
        self._now = now
        self._known = known

    async def plan(self, seen: Witness, holds: Sequence[Held], ahead: timedelta = timedelta()) -> JournalPlan:
        """What is due within *ahead* of now, by the time that was seen to pass.

        Raises:
            SignatureInvalid: The newest record is not one of ours.
            SQLAlchemyError: The database refuses.
        """
        last = await self.last()
        made = {one.writer: one for one in self._read(last).chains} if last is not None else {}
        next_at = None if last is None else last.made_at + AGAIN
        before = seen.before(KEPT - ahead)
        limit = await self._limit(before)
        due = {} if limit is None else await self._heads(limit)
        held = {
            writer: seq
            for writer, seq in (await self._held(holds) if due else {}).items()
            if writer in due and due[writer].seq >= seq
        }
        if limit is not None and held:
            before_holds = await self._heads(limit, held)
            due = {**{name: cut for name, cut in due.items() if name not in held}, **before_holds}
        cuts = {
            **due,
            **{name: cut for name, cut in made.items() if name not in due or cut.seq > due[name].seq},
        }
        return JournalPlan(
            count=sum((await self._left(cuts.values())).values()),
            before=before if limit is not None else None,
            chains=sorted(cuts.values()),
            held=len(held),
            next_at=next_at,
        )

    async def record(self, plan: JournalPlan) -> StoredPurge | None:
        """Keep the signed record of a plan, before anything goes; None where it takes nothing new.

        Raises:
            IntegrityError: Another console was quicker.
            SQLAlchemyError: The database refuses.
        """
        last = await self.last()
        if not plan.count or (last is not None and tuple(plan.chains) == self._read(last).chains):
            return None
        at = self._now()
        made = JournalPurge(
            hospital_id=self._hospital_id,
            number=1 if last is None else last.number + 1,
            purged_at=at,
            rule=f"the journal is kept {KEPT.days} days",
            chains=tuple(plan.chains),
            signer=self._key.public.key_id,
        )
        content = made.to_json()
        kept = StoredPurge(made.number, at, content, self._key.sign(content))
        row = {
            "hospital_id": self._hospital_id,
            "number": kept.number,
            "made_at": at,
            "content": content.decode(),
            "signature": kept.signature.hex(),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(journal_purges), row)
        return kept

    async def last(self) -> StoredPurge | None:
        """The newest record. Raises SQLAlchemyError."""
        async with self._database.read() as connection:
            return await newest(connection, self._hospital_id)

    async def left(self, record: StoredPurge) -> int:
        """How many entries are still there that a record names. Raises SQLAlchemyError."""
        return sum((await self._left(self._read(record).chains)).values())

    async def told(self, record: StoredPurge) -> bool:
        """Whether the journal has an entry that tells of the record. Raises SQLAlchemyError."""
        query = select(_t.content).where(
            _t.hospital_id == self._hospital_id, _t.name == PURGED, _t.at >= record.made_at - _MARGIN
        )
        async with self._database.read() as connection:
            return any(record.digest in content for content in (await connection.execute(query)).scalars())

    async def delete(self, record: StoredPurge, holds: Sequence[Held]) -> int:
        """Delete what a record names, the oldest first, and return how many that were; harmless to repeat.

        A chain of which a hold keeps something now, though it did not when the record was made, is passed over.

        Raises:
            SQLAlchemyError: The database refuses; what went is gone, the rest is for the next time.
        """
        gone = 0
        held = await self._held(holds)
        chains = self._read(record).chains
        left = await self._left(chains)
        for one in chains:
            if one.writer not in left or held.get(one.writer, one.seq + 1) <= one.seq:
                continue
            mine = and_(_t.hospital_id == self._hospital_id, _t.writer == one.writer)
            while True:
                async with self._database.write() as connection:
                    first = (await connection.execute(select(func.min(_t.seq)).where(mine))).scalar()
                    if first is None or first > one.seq:
                        break
                    upto = min(one.seq, first + _BATCH - 1)
                    done = await connection.execute(delete(journal_entries).where(mine, _t.seq <= upto))
                    gone += done.rowcount
        return gone

    def _read(self, record: StoredPurge) -> JournalPurge:
        """The record, if one of ours signed it: another one deletes nothing."""
        return record.read(self._hospital_id, self._known)

    async def _limit(self, before: datetime) -> int | None:
        """The last checkpoint of those that were all made before the instant; None where there is none."""
        table = checkpoints.c
        mine = table.hospital_id == self._hospital_id
        later = select(func.min(table.sequence)).where(mine, table.at > before)
        async with self._database.read() as connection:
            first = (await connection.execute(later)).scalar()
            last = (await connection.execute(select(func.max(table.sequence)).where(mine))).scalar()
        limit = first - 1 if first is not None else last
        return limit or None

    async def _heads(self, limit: int, below: Mapping[str, int] | None = None) -> dict[str, Cut]:
        """The last entry of each chain that those checkpoints committed to; or, of the chains named, the last *below* a number."""
        heads = checkpoint_heads.c
        most = (
            select(heads.writer, func.max(heads.seq).label("seq"))
            .where(heads.hospital_id == self._hospital_id, heads.sequence <= limit)
            .group_by(heads.writer)
        )
        found: dict[str, Cut] = {}
        for places in [None] if below is None else _places(below):
            ends = most
            if places is not None:
                named = and_(heads.writer == places.c.writer, heads.seq < places.c.seq)
                ends = most.select_from(checkpoint_heads.join(places, named))
            last = ends.subquery()
            query = (
                select(heads.writer, heads.seq, heads.digest, heads.sequence)
                .join(last, and_(heads.writer == last.c.writer, heads.seq == last.c.seq))
                .where(heads.hospital_id == self._hospital_id)
            )
            async with self._database.read() as connection:
                rows = (await connection.execute(query)).all()
            found.update({row.writer: Cut(row.writer, row.seq, row.digest, row.sequence) for row in rows})
        return found

    async def _held(self, holds: Sequence[Held]) -> dict[str, int]:
        """For each chain, the first entry that a hold keeps."""
        if not holds:
            return {}
        query = (
            select(_t.writer, func.min(_t.seq).label("seq"))
            .where(_t.hospital_id == self._hospital_id, or_(*map(self._meets, holds)))
            .group_by(_t.writer)
        )
        async with self._database.read() as connection:
            return {row.writer: row.seq for row in await connection.execute(query)}

    def _meets(self, hold: Held) -> ColumnElement[bool]:
        # one criterion is enough: an entry about the person on no device may matter as much as the session
        criteria: list[ColumnElement[bool]] = [
            column == wanted
            for column, wanted in (
                (_t.session_id, hold.session_id),
                (_t.person_id, hold.person_id),
                (_t.device_id, hold.device_id),
            )
            if wanted is not None
        ]
        if hold.intervention_id is not None:
            opened = sessions_opened.c
            of_it = select(opened.session_id).where(
                opened.hospital_id == self._hospital_id,
                opened.header.contains(hold.intervention_id, autoescape=True),
            )
            criteria += [_t.session_id.in_(of_it), _t.content.contains(hold.intervention_id, autoescape=True)]
        period: list[Any] = [or_(*criteria)] if criteria else []
        if hold.since is not None:
            period.append(_t.at >= hold.since - _MARGIN)
        if hold.until is not None:
            period.append(_t.at < hold.until + _MARGIN)
        return and_(*period)

    async def _left(self, cuts: Iterable[Cut]) -> dict[str, int]:
        """How many entries are there that the cuts take, by chain; chains of which nothing is there are left out."""
        found: dict[str, int] = {}
        for places in _places({one.writer: one.seq for one in cuts}):
            taken = and_(_t.writer == places.c.writer, _t.seq <= places.c.seq)
            query = (
                select(_t.writer, func.count().label("count"))
                .select_from(journal_entries.join(places, taken))
                .where(_t.hospital_id == self._hospital_id)
                .group_by(_t.writer)
            )
            async with self._database.read() as connection:
                found.update({row.writer: row.count for row in await connection.execute(query)})
        return found


def _places(seqs: Mapping[str, int]) -> Iterator[CTE]:
    """A number in each of many chains as tables that a question can join."""
    rows = sorted(seqs.items())
    for first in range(0, len(rows), _CHAINS):
        table = values(column("writer", _t.writer.type), column("seq", _t.seq.type), name="places")
        yield table.data(rows[first : first + _CHAINS]).cte("places")
