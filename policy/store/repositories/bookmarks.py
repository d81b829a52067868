"""How far each reader has read the journal, and which process reads for it now."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import insert, or_, select, update

from policy.domain.alarms import Bookmark
from policy.domain.ids import HospitalId
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_r = t.journal_readers.c
_b = t.journal_bookmarks.c


class Bookmarks(Repository):
    """Tables ``journal_readers`` and ``journal_bookmarks``."""

    async def since(self, hospital_id: HospitalId, reader: str) -> datetime | None:
        """Return from which instant on the reader takes what it reads to heart, None where it is new."""
        where = (_r.hospital_id == hospital_id) & (_r.reader == reader)
        found: datetime | None = (await self._connection.execute(select(_r.since).where(where))).scalar()
        return found

    async def begin(self, hospital_id: HospitalId, reader: str, since: datetime) -> None:
        """Add a reader that takes to heart what happened from *since* on."""
        row = {"hospital_id": hospital_id, "reader": reader, "since": since}
        await self._connection.execute(insert(t.journal_readers).values(row))

    async def hold(
        self, hospital_id: HospitalId, reader: str, holder: str, at: datetime, until: datetime
    ) -> bool:
        """Let *holder* alone read for *reader* until *until*; False where at *at* another process does."""
        mine = (_r.hospital_id == hospital_id) & (_r.reader == reader)
        free = or_(_r.holder.is_(None), _r.holder == holder, _r.held_until <= at)
        values = {"holder": holder, "held_until": until}
        done = await self._connection.execute(update(t.journal_readers).where(mine & free).values(values))
        return done.rowcount == 1

    async def lock(self, hospital_id: HospitalId, reader: str) -> None:
        """Keep every other unit of work from moving this reader's bookmarks until the end of this one."""
        where = (_r.hospital_id == hospital_id) & (_r.reader == reader)
        await self._connection.execute(select(_r.since).where(where).with_for_update())

    async def get(
        self, hospital_id: HospitalId, reader: str, writers: Collection[str] | None = None
    ) -> Mapping[str, Bookmark]:
        """Return how far the reader has read, by writer: in the chains of *writers*, or in all."""
        where = (_b.hospital_id == hospital_id) & (_b.reader == reader)
        if writers is not None:
            where &= _b.writer.in_(writers)
        rows = await self._connection.execute(select(_b.writer, _b.seq, _b.digest).where(where))
        return {row.writer: Bookmark(row.seq, row.digest) for row in rows}

    async def put(self, hospital_id: HospitalId, reader: str, places: Mapping[str, Bookmark]) -> None:
        """Move the reader's bookmarks to *places*."""
        for writer, place in places.items():
            where = (_b.hospital_id == hospital_id) & (_b.reader == reader) & (_b.writer == writer)
            values = {"seq": place.seq, "digest": place.digest}
            done = await self._connection.execute(update(t.journal_bookmarks).where(where).values(values))
            if done.rowcount == 0:
                row = {"hospital_id": hospital_id, "reader": reader, "writer": writer, **values}
                await self._connection.execute(insert(t.journal_bookmarks).values(row))
