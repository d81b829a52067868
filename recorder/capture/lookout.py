"""Looks whether the trace store serves, counts what waits for it, and tells of outages and of their end."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import structlog

from embedded.patience import patience
from recorder.capture.courier import Courier
from recorder.capture.folder import SpoolFolder
from recorder.capture.outage import Outage, remember, remembered
from recorder.capture.reach import CATALOGUE, Reach, StoreState
from recorder.capture.segments import Segments
from recorder.errors import CatalogUnavailable, RecorderError
from recorder.ports import Alarm, Now
from recorder.settings import RecorderSettings
from recorder.store.database import Database
from recorder.trace.place import TRACE

TICK_SECONDS = 0.25
FILLING = 0.8
"""Share of the quota from which on it is an alarm."""
EASED = 0.6
"""Share below which it is one no more."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Spool:
    """What a look at the spool found of what is live no more: bytes by session that the store has not. And the disk's free room."""

    waiting: dict[str, int] = field(default_factory=dict)
    free: int | None = None

    @property
    def waiting_bytes(self) -> int:
        """The bytes of all sessions."""
        return sum(self.waiting.values())


class Lookout:
    """One a recorder, on its loop. Nothing that a session waits for waits for it.

    Args:
        settings: How often to look, and the spool's quota.
        courier: Ships live traces, and asks the store.
        reach: Judges what is told it.
        database: The catalogue's and journal's, without which nothing opens either.
        spool: Where traces wait.
        pool: Threads for the disk, apart from those that frames wait for.
        sweep: Ships what is closed and still in the spool.
        node: Name of this gateway.
        now: Wall clock.
        alarm: Told ``alarm.spool_filling``, ``alarm.spool_eased`` and ``store.gap``, besides what `Reach` tells.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        courier: Courier,
        reach: Reach,
        database: Database,
        spool: SpoolFolder,
        pool: Executor,
        sweep: Callable[[], Awaitable[None]],
        *,
        node: str,
        now: Now,
        alarm: Alarm,
    ) -> None:
        self._settings = settings
        self._courier = courier
        self._reach = reach
        self._database = database
        self._spool = spool
        self._pool = pool
        self._sweep = sweep
        self._node = node
        self._now = now
        self._alarm = alarm
        self._seen = _Spool()
        self._filling = False
        self._noted: Outage | None = None
        self._absent: set[str] = set()
        self._chores: dict[str, asyncio.Task[None]] = {}
        self._began: dict[str, float] = {}

    def state(self) -> StoreState:
        """How the store does, and how much waits for it."""
        # the last look is as old as the time between two: what has ended since is known without one
        waiting = self._seen.waiting_bytes + sum(self._courier.left().values()) + self._courier.lag
        quota = self._settings.spool_quota_bytes
        out = self._reach.outage is not None and self._reach.outage.until is None
        if out and self._seen.free is not None:  # the disk may have less room than the quota promises
            quota = min(quota, waiting + max(0, self._seen.free - self._settings.min_free_bytes))
        return self._courier.state(waiting, max(1, quota))

    async def start(self) -> None:
        """Take up an outage that an earlier process began."""
        found = await self._in_thread(lambda: remembered(self._spool.path))
        if found is not None:
            self._noted = found
            self._reach.resume(found)

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                self.look(time.monotonic())
                await asyncio.sleep(TICK_SECONDS)
        finally:
            for chore in self._chores.values():
                chore.cancel()
            await asyncio.gather(*self._chores.values(), return_exceptions=True)

    def look(self, at: float) -> None:
        """Begin what is due, and judge what is known.

        Args:
            at: Seconds of the monotonic clock.
        """
        troubled = bool(self._reach.error) or self._reach.outage is not None
        every = self._settings.again_seconds if troubled else self._settings.probe_seconds
        self._begin("store", at, every, self._ask_store)
        self._begin("catalogue", at, every, self._ask_catalogue)
        self._begin("spool", at, self._settings.retry_seconds, self._look_at_spool)
        if troubled and self._reach.worth_trying:
            self._begin("sweep", at, self._settings.retry_seconds, self._sweep_up)
        self._reach.look(at, asking=self._asking("store", at) or self._asking("catalogue", at))
        self._follow()
        self._judge_room()

    def _begin(
        self, name: str, at: float, every: float, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        running = self._chores.get(name)
        # counted from the last time: what went wrong since is asked about soon, and not when all was expected well
        if (running is None or running.done()) and at - self._began.get(name, -math.inf) >= every:
            self._began[name] = at
            self._chores[name] = asyncio.create_task(work())

    def _asking(self, name: str, at: float) -> bool:
        """Whether an answer is awaited, and not for so long that its absence is one."""
        running = self._chores.get(name)
        if running is None or running.done():
            return False
        return at - self._began[name] < self._settings.patience_seconds

    async def _ask_store(self) -> None:
        try:
            await self._courier.check()
        except RecorderError as error:
            _log.debug("trace_store.refused", error=str(error))  # the reach knows, and judges

    async def _ask_catalogue(self) -> None:
        began = time.monotonic()
        asking = asyncio.create_task(self._database.check())
        try:
            try:
                async with patience(self._settings.write_timeout_seconds):
                    await asyncio.shield(asking)
            except TimeoutError:
                late = CatalogUnavailable("the trace database does not answer in time")
                self._reach.refused(late, CATALOGUE, began)
            # what hangs is left to hang: a question that is dropped half-way costs its connection
            await asking
        except CatalogUnavailable as error:
            self._reach.refused(error, CATALOGUE, began)
        else:
            self._reach.served(CATALOGUE)
        finally:
            asking.cancel()

    async def _look_at_spool(self) -> None:
        live, left = self._courier.live, self._courier.left()
        try:
            self._seen = await self._in_thread(lambda: _look(self._spool, live))
        except OSError as error:
            _log.warning("the spool cannot be looked at", error=str(error))
            return
        self._courier.looked_at(left)
        self._reach.forget(self._here())
        self._look_for_missing()

    async def _sweep_up(self) -> None:
        if self._seen.waiting:
            await self._sweep()

    def _follow(self) -> None:
        """Note which traces wait, and report once all of them have arrived."""
        outage = self._reach.outage
        if outage is None:
            return
        if outage is not self._noted:
            self._noted = outage
            self._remember(outage)
        if outage.until is None:
            self._courier.note(outage)
        elif not self._reach.refused_traces and self._courier.caught_up(outage):
            missing = sorted(
                session_id
                for session_id, one in outage.sessions.items()
                if not one.closed and session_id in self._absent
            )
            facts = outage.report(self._node, self._now())
            self._reach.over()
            self._absent.clear()
            self._remember(None)
            self._alarm("store.gap", facts if not missing else {**facts, "missing": missing})

    def _look_for_missing(self) -> None:
        """Find what waited and is in the spool no more, at two looks: somebody took it away."""
        outage = self._reach.outage
        if outage is None or outage.until is None:
            return
        here = self._here()
        gone = {name for name, one in outage.sessions.items() if not one.closed and name not in here}
        for session_id in gone & self._absent:
            outage.sessions[session_id].done = True
        self._absent = gone

    def _here(self) -> set[str]:
        """The sessions whose traces are in the spool."""
        return {*self._seen.waiting, *self._courier.left(), *self._courier.live}

    def _judge_room(self) -> None:
        state = self.state()
        share = state.spool_bytes / state.spool_quota
        if self._filling == (share >= EASED) or (not self._filling and share < FILLING):
            return
        self._filling = not self._filling
        facts = {
            "node": self._node,
            "percent": min(100, round(100 * share)),
            "bytes": state.spool_bytes,
            "quota": state.spool_quota,
        }
        self._alarm("alarm.spool_filling" if self._filling else "alarm.spool_eased", facts)

    def _remember(self, outage: Outage | None) -> None:
        def keep() -> None:
            try:
                remember(self._spool.path, outage)
            except OSError as error:
                _log.warning("the outage is not remembered in the spool", error=str(error))

        self._pool.submit(keep)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _look(spool: SpoolFolder, live: frozenset[str]) -> _Spool:
    waiting: dict[str, int] = {}
    for directory in spool.traces(live):
        try:
            size = (directory / TRACE).stat().st_size
        except FileNotFoundError:
            continue
        cut = Segments(directory)
        size -= sum(part["bytes"] for part in cut.cut if cut.has_shipped(part["name"]))
        waiting[directory.name] = max(0, size)
    status = os.statvfs(spool.path)
    return _Spool(waiting, status.f_bavail * status.f_frsize)
