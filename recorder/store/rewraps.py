"""Every trace of a hospital wrapped for the readers it shall have: long, and safe to stop and to begin again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select

from recorder.errors import ReaderKeyLocked, TraceFormatError, TraceNotFound, TraceSealed
from recorder.ports import Now, TraceStore
from recorder.seal.rewrapping import Wanted, rewrap
from recorder.seal.wrapping import ReaderKey
from recorder.store.catalog import Catalog, SessionFilters, SessionState
from recorder.store.tables import sessions_closed, sessions_purged
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace

_PAGE: Final = 200
_NAMED: Final = 20


@dataclass(slots=True)
class Tally:
    """How a run went.

    Attributes:
        counts: ``traces`` looked at; of them ``wrapped``, ``retired`` (a note stands for a wrap), ``as_wanted``,
            ``erased`` (without any wrap), ``missing`` (not in the store), ``unreadable`` (no key at hand
            opens it, or its row is altered).
        unreadable: The first of these.
        locked: Names of keys that would have opened some of them.
    """

    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)

    def unread(self, session_id: str) -> None:
        """Count a trace that cannot be wrapped anew, and name it if it is of the first."""
        self.counts["unreadable"] += 1
        if len(self.unreadable) < _NAMED:
            self.unreadable.append(session_id)


@dataclass(frozen=True, slots=True)
class Rewrapping:
    """A run over all closed traces of one hospital.

    Attributes:
        catalog: Tells the traces, and which were purged.
        store: Holds them and their wraps.
        readers: Gives the keys at hand; asked anew for each trace, so that a key locked meanwhile serves no longer.
        wanted: Who shall be able to open them.
        now: Wall clock.
    """

    catalog: Catalog
    store: TraceStore
    readers: Callable[[], Sequence[ReaderKey]]
    wanted: Wanted
    now: Now

    async def run(self, hospital_id: str, tally: Tally, progress: Callable[[int, int], None]) -> None:
        """Go through the traces, the newest first; what is done already is passed over.

        Args:
            hospital_id: Whose traces.
            tally: Told of each.
            progress: Told how many of how many are done.

        Raises:
            SQLAlchemyError: The catalogue cannot be read.
            StoreUnavailable: The store cannot be used, or a wrap not be written.
        """
        of = await self._count(hospital_id)
        after: str | None = None
        filters = SessionFilters(hospital_id=hospital_id, state=SessionState.ENDED)
        while True:
            page = await self.catalog.sessions(filters, after=after, limit=_PAGE)
            purged = await self._purged([session.header for session in page.sessions])
            for session in page.sessions:
                if session.altered:  # where its trace lies, and who shall read it, nobody can say
                    tally.counts["traces"] += 1
                    tally.unread(session.header.session_id)
                else:
                    await self._one(session.header, tally, purged=session.header.session_id in purged)
                done = tally.counts["traces"]
                progress(done, max(of, done))
            after = page.after
            if after is None:
                return

    async def _one(self, header: TraceHeader, tally: Tally, *, purged: bool) -> None:
        counts, place = tally.counts, TracePlace.of(header)
        counts["traces"] += 1
        try:
            wraps = await asyncio.to_thread(self.store.wraps, place)
            if not wraps or purged:
                counts["erased" if header.sealing else "clear"] += 1
                return
            changes = await asyncio.to_thread(rewrap, header, wraps, self.readers(), self.wanted, self.now())
        except TraceNotFound:
            counts["missing"] += 1
            return
        except (TraceSealed, TraceFormatError) as error:
            tally.unread(header.session_id)
            if isinstance(error, ReaderKeyLocked):
                tally.locked.update(error.names)
            return
        if not changes:
            counts["as_wanted"] += 1
            return
        added = [name for name in changes if name not in wraps]
        for name, data in changes.items():  # the new wraps first, then what they make superfluous
            await asyncio.to_thread(self.store.put_wrap, place, name, data)
        if await self._purged([header]):  # decided meanwhile: who purges may not have seen what was just put
            for name in changes:
                await asyncio.to_thread(self.store.destroy_wrap, place, name)
            counts["erased"] += 1
            return
        counts["wrapped"] += bool(added)
        counts["retired"] += len(changes) > len(added)

    async def _purged(self, headers: Sequence[TraceHeader]) -> set[str]:
        """Which of these sessions of one hospital were purged."""
        table = sessions_purged.c
        query = select(table.session_id).where(
            table.hospital_id.in_({header.hospital_id for header in headers}),
            table.session_id.in_([header.session_id for header in headers]),
        )
        async with self.catalog.database.read() as connection:
            return set((await connection.execute(query)).scalars())

    async def _count(self, hospital_id: str) -> int:
        query = (
            select(func.count())
            .select_from(sessions_closed)
            .where(sessions_closed.c.hospital_id == hospital_id)
        )
        async with self.catalog.database.read() as connection:
            return int((await connection.execute(query)).scalar() or 0)
