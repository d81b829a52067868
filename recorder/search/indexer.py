"""Keeps the search's indexes: every closed trace that arrives is rendered, what is purged or erased is removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import func, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from recorder.errors import (
    ReaderKeyUnusable,
    RecorderError,
    StoreUnavailable,
    TraceNotFound,
    TraceSealed,
    first_line,
)
from recorder.ports import Now, TraceStore
from recorder.replay.cache import ReplayCache
from recorder.replay.reader import TraceReader
from recorder.seal.encryption import CLEAR
from recorder.seal.wrapping import SUFFIX, LockedKey, ReaderKey, data_key
from recorder.search.index import SearchIndex
from recorder.search.rendering import Bounds, Rendered, State, render
from recorder.store.database import Database
from recorder.store.headers import Told, told_by
from recorder.store.tables import sessions_closed, sessions_opened, sessions_purged
from recorder.trace.header import TraceHeader

POLL_SECONDS: Final = 5.0
RETRY: Final = timedelta(seconds=60)
"""How long a trace that cannot be read yet is left alone."""
LATE: Final = timedelta(days=2)
"""How much later than its end a session may be noted."""
PAGE: Final = 200
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

FAILED: Final = "alarm.search_failed"
CAUGHT_UP: Final = "alarm.search_caught_up"
Tell = Callable[[str, str, "str | None", "dict[str, object]"], Awaitable[None]]
"""Takes the hospital, the event's name, the session it is about (None: the whole index), and facts."""
Keys = Callable[[], Sequence[ReaderKey]]
"""The readers' keys at hand now; none while they are locked."""
Hospitals = Callable[[], Awaitable[Sequence[str]]]

log = structlog.get_logger()


@dataclass(slots=True)
class _Walk:
    """How far one hospital's catalogue has been looked through."""

    closed: datetime = _LONG_AGO
    purged: datetime = _LONG_AGO


class Indexer:
    """Renders one trace at a time, each in a process of its own.

    Args:
        database: Holds the catalogue.
        folder: Where the indexes are.
        hospitals: Names every hospital.
        store: Holds the traces.
        keys: Gives the readers' keys.
        now: Wall clock, aware UTC.
        bounds: What a trace may cost.
        tell: Told of what cannot be indexed, and that the index works again; it is an alarm's matter.
        replays: Where what was rendered is kept cut for the player too, while it is at hand; None: nowhere.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        hospitals: Hospitals,
        store: TraceStore,
        keys: Keys,
        now: Now,
        bounds: Bounds,
        tell: Tell | None = None,
        replays: ReplayCache | None = None,
    ) -> None:
        self._database, self._folder, self._hospitals = database, folder, hospitals
        self._store, self._keys, self._now, self._bounds = store, keys, now, bounds
        self._tell, self.replays = tell, replays
        self._failing: set[str] = set()
        self._walks: dict[str, _Walk] = {}
        self._anew: set[str] = set()
        self._wake = asyncio.Event()
        self._woken: datetime | None = None

    def index(self, hospital_id: str) -> SearchIndex:
        """Return a hospital's index. Raises IndexUnavailable."""
        return SearchIndex(self._folder, hospital_id)

    def rebuild(self, hospital_id: str) -> None:
        """Have a hospital's index made anew; `wake` comes by itself."""
        self._anew.add(hospital_id)
        self._wake.set()

    def condemned(self, hospital_id: str) -> bool:
        """Tell whether a hospital's index is about to be made anew: what it holds counts no more."""
        return hospital_id in self._anew

    def wake(self) -> None:
        """Look again now, also at what waits and was looked at a moment ago: a key was unlocked."""
        self._woken = self._now()
        self._wake.set()

    async def run(self) -> None:
        """Index until cancelled; a fault of a store is logged, and tried again."""
        while True:
            busy = False
            try:
                for hospital_id in await self._hospitals():
                    busy |= await self._tried(hospital_id)
            except Exception as error:
                # whatever it is, the console and the replay go on; what tells of it may be what fails
                next_try = f"tried again in {POLL_SECONDS:g} s"
                log.warning(
                    "search.put_off", why=f"{type(error).__name__}: {first_line(error)}"[:300], next=next_try
                )
            if not busy:
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue
            self._wake.clear()

    async def _tried(self, hospital_id: str) -> bool:
        """Take a step, and tell when steps begin to fail and when they do so no more; return whether there is more to do."""
        try:
            busy = await self.step(hospital_id) > 0
        except SQLAlchemyError:  # the database is away, and the journal with it: nothing of the index's own
            raise
        except Exception as error:
            log.exception("search.failed", hospital=hospital_id)
            if hospital_id not in self._failing:
                await self._say(hospital_id, FAILED, None, {"why": f"{type(error).__name__}: {error}"[:300]})
                self._failing.add(hospital_id)
            return False
        if hospital_id in self._failing:
            await self._say(hospital_id, CAUGHT_UP, None, {})
            self._failing.discard(hospital_id)
        return busy

    async def _say(
        self, hospital_id: str, name: str, session_id: str | None, facts: dict[str, object]
    ) -> None:
        if self._tell is not None:
            await self._tell(hospital_id, name, session_id, facts)

    async def step(self, hospital_id: str) -> int:
        """Remove what is gone and index at most a page of what is new; return how many traces were taken up."""
        index = self.index(hospital_id)
        if hospital_id in self._anew:
            self._walks.pop(hospital_id, None)
            await asyncio.to_thread(index.clear)
            self._anew.discard(hospital_id)
        walk = self._walks.setdefault(hospital_id, _Walk())
        await self._forget(hospital_id, index, walk)
        headers = await self._new(hospital_id, index, walk)
        headers += await self._waiting(hospital_id, index)
        for session_id, told in headers:
            if hospital_id in self._anew:
                break
            await self._forget(hospital_id, index, walk)
            await self._take(index, session_id, told)
        return len(headers)

    async def total(self, hospital_id: str) -> int:
        """Return how many traces of a hospital there are to be indexed."""
        counts = []
        async with self._database.read() as connection:
            for table in (sessions_closed, sessions_purged):
                query = select(func.count()).select_from(table).where(table.c.hospital_id == hospital_id)
                counts.append(int((await connection.execute(query)).scalar() or 0))
        return max(0, counts[0] - counts[1])

    async def purged(self, hospital_id: str, sessions: Sequence[str]) -> set[str]:
        """Return those of *sessions* that have been purged: whatever the index still says, they are not shown."""
        table = sessions_purged.c
        query = select(table.session_id).where(
            table.hospital_id == hospital_id, table.session_id.in_(list(set(sessions)))
        )
        async with self._database.read() as connection:
            return {row.session_id for row in await connection.execute(query)}

    async def _forget(self, hospital_id: str, index: SearchIndex, walk: _Walk) -> None:
        table = sessions_purged.c
        query = select(table.session_id, table.purged_at).where(
            table.hospital_id == hospital_id, table.purged_at > walk.purged - LATE
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        names = [row.session_id for row in rows]
        gone = 0
        for first in range(0, len(names), PAGE):
            part = names[first : first + PAGE]
            known = set(part) - await asyncio.to_thread(index.unknown, part)
            gone += await asyncio.to_thread(index.forget, sorted(known)) if known else 0
            if self.replays is not None:
                await asyncio.to_thread(self.replays.forget, hospital_id, part)
        walk.purged = max((row.purged_at for row in rows), default=walk.purged)
        if gone:
            log.info("search.forgotten", hospital=hospital_id, traces=gone)

    async def _new(self, hospital_id: str, index: SearchIndex, walk: _Walk) -> list[tuple[str, Told]]:
        """Return the headers of a page of sessions that the index does not know, and move on in the catalogue."""
        closed, opened, purged = sessions_closed.c, sessions_opened.c, sessions_purged.c
        after = (walk.closed - LATE if walk.closed > _LONG_AGO + LATE else _LONG_AGO, "")
        while True:
            query = (
                select(closed.session_id, closed.closed_at)
                .where(closed.hospital_id == hospital_id, tuple_(closed.closed_at, closed.session_id) > after)
                .order_by(closed.closed_at, closed.session_id)
                .limit(PAGE)
            )
            async with self._database.read() as connection:
                page = (await connection.execute(query)).all()
            if not page:
                return []
            names = await asyncio.to_thread(index.unknown, [row.session_id for row in page])
            if names:
                headers = select(sessions_opened).where(
                    opened.hospital_id == hospital_id,
                    opened.session_id.in_(names),
                    opened.session_id.not_in(
                        select(purged.session_id).where(purged.hospital_id == hospital_id)
                    ),
                )
                async with self._database.read() as connection:
                    found = {row.session_id: told_by(row) for row in await connection.execute(headers)}
                if found:
                    return [
                        (row.session_id, found[row.session_id]) for row in page if row.session_id in found
                    ]
            before, after = after, (page[-1].closed_at, page[-1].session_id)
            if after[0] <= self._now():  # an end to come would hide every end until then
                walk.closed = max(walk.closed, after[0])
            if after == before:  # ends that no instant stands for come last, and would come again for ever
                return []

    async def _waiting(self, hospital_id: str, index: SearchIndex) -> list[tuple[str, Told]]:
        before = self._now() - RETRY
        if self._woken is not None:
            before = max(before, self._woken)
        due = await asyncio.to_thread(index.standing, State.WAITING, PAGE, before)
        if not due:
            return []
        opened = sessions_opened.c
        query = select(sessions_opened).where(
            opened.hospital_id == hospital_id, opened.session_id.in_([one.session_id for one in due])
        )
        async with self._database.read() as connection:
            return [(row.session_id, told_by(row)) for row in await connection.execute(query)]

    async def _take(self, index: SearchIndex, session_id: str, told: Told) -> None:
        header = told.header
        if told.altered is not None:
            await asyncio.to_thread(index.refuse, session_id, told.altered, self._now())
            return
        waits: str | None = None
        try:
            if header.suite != CLEAR:
                await asyncio.to_thread(self._hold_a_key)  # before a whole trace is fetched for nothing
            async with self._opened(header) as folder:
                key = await asyncio.to_thread(self._key, folder, header)
                rendered = await render(folder, key, self._bounds)
                if self.replays is not None and rendered.state is not State.FAILED:
                    await self._cut(self.replays, folder, header, key)
        except TraceNotFound:
            waits = "absent"
        except (StoreUnavailable, OSError):
            waits = "store"
        except _Locked:
            waits = "locked"
        except RecorderError as error:
            rendered = Rendered(passages=(), state=State.FAILED, why=str(error))
        if waits is not None:
            await asyncio.to_thread(index.wait, header, waits, self._now())
            return
        await asyncio.to_thread(index.put, header, rendered, self._now())
        if rendered.state is State.FAILED:
            await self._say(header.hospital_id, FAILED, header.session_id, {"why": rendered.why})
        log.info(
            "search.indexed",
            session=header.session_id,
            state=rendered.state.value,
            why=rendered.why,
            passages=len(rendered.passages),
        )

    async def _cut(self, replays: ReplayCache, folder: Path, header: TraceHeader, key: bytes | None) -> None:
        """Cut a trace for the player while it is at hand; where that fails, who replays it waits a little."""
        try:
            await replays.make(folder, header, key)
        except OSError as error:
            log.warning("replay.not_kept", session=header.session_id, why=str(error)[:300])

    @asynccontextmanager
    async def _opened(self, header: TraceHeader) -> AsyncIterator[Path]:
        """Give the trace's files for a while: what blocks in a store is done on threads."""

        def enter() -> tuple[AbstractContextManager[Path], Path]:
            place = self._store.find(header.hospital_id, header.session_id, header.started_at)
            opened = self._store.opened(place)
            return opened, opened.__enter__()

        opened, folder = await asyncio.to_thread(enter)
        try:
            yield folder
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)

    def _hold_a_key(self) -> None:
        """Return where some reader's key is open; raises _Locked otherwise."""
        try:
            if not all(isinstance(key, LockedKey) for key in self._keys()):
                return
        except ReaderKeyUnusable as error:
            raise _Locked from error
        raise _Locked

    def _key(self, folder: Path, header: TraceHeader) -> bytes | None:
        """Return the data key of the trace in *folder*; None where it is not sealed.

        Raises:
            _Locked: No reader's key that is at hand opens it.
            RecorderError: It is another trace, it is erased, or cannot be read.
        """
        with TraceReader(folder) as reader:
            stored = reader.header
        if (stored.session_id, stored.hospital_id) != (header.session_id, header.hospital_id):
            raise RecorderError("in its place lies the trace of another session")
        if stored.suite == CLEAR:
            return None
        if not any(folder.glob(f"*{SUFFIX}")):
            raise RecorderError("erased: every wrap of its key was destroyed")
        try:
            return data_key(folder, stored, self._keys())
        except (TraceSealed, ReaderKeyUnusable) as error:
            raise _Locked from error


class _Locked(Exception):
    """No reader's key that opens the trace is at hand."""
