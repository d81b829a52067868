"""The verification of everything: asked for, or every night at the lowest priority; its last result is in the journal."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from policy.domain.ids import HospitalId
from policy.domain.sessions import SessionState
from policy.errors import PolicyError
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.proof.inspection import Inspection
from recorder.proof.sessions import Shelf
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace

if TYPE_CHECKING:
    from admin_api.deps import Context

log = structlog.get_logger()

VERIFIED: Final = "store.verified"
ACTOR: Final = "console"
LOOK_EVERY: Final = timedelta(minutes=5)
READER: Final = "verification"
"""Under this name one console claims the verification of everything."""
LEASE: Final = timedelta(minutes=15)
"""So long after it was last renewed a claim is another console's to take: the one that had it is gone."""
_NICEST: Final = 19


@dataclass(frozen=True, slots=True)
class LastVerified:
    """What the last verification of everything found, and when (aware UTC); ``details`` as in the journal."""

    at: datetime
    intact: bool
    details: dict[str, Any]


async def last_verified(journal: Journal, hospital_id: str) -> LastVerified | None:
    """Return what the last one found, None where there never was one. Raises JournalBroken, SQLAlchemyError."""
    found = await journal.newest(hospital_id, VERIFIED)
    if found is None:
        return None
    details = dict(found.event.details)
    return LastVerified(found.event.at, details.get("intact") is True, details)


async def shelf_of(context: Context, hospital_id: HospitalId, executor: Executor | None = None) -> Shelf:
    """Return the hospital's traces as they are verified: by the threads of *executor*, by default those of all work."""
    sessions = await context.services.access.sessions(hospital_id)

    def fetch(header: TraceHeader) -> AbstractContextManager[Path]:
        return context.traces.opened(TracePlace.of(header))

    return Shelf(
        fetch=fetch,
        stored=await asyncio.to_thread(context.traces.sessions, hospital_id),
        keys=context.trace_keys,
        consoles=context.proofs.keys,
        live_nodes={row.node for row in sessions if row.state is SessionState.LIVE},
        now=context.clock.now(),
        executor=executor,
    )


def told_of(found: Inspection) -> dict[str, object]:
    """Return what the journal says of an inspection: counts, and the first thing found."""
    counts = {"intact": found.intact, "findings": len(found.findings), "remarks": len(found.remarks)}
    return {**counts, **dict(found.counts), **first_of(found)}


def first_of(found: Inspection) -> dict[str, object]:
    """Return what an entry of the journal says of the first thing *found*; nothing where all is intact."""
    if not found.findings:
        return {}
    first = found.findings[0]
    return {
        "place": first.place,
        "name": first.name,
        "what": first.what,
        "detail": first.detail,
        "entry": first.name,
    }


class NightlyVerification:
    """Verifies everything at an hour of the hospital's, and writes what it found into the journal: where not intact, an alarm.

    One that a stop of the console cut off begins anew at the next look: nothing of it is kept. After a console that was
    off at the hour, it is done at the next look too. Of several consoles that share a database one does it.
    """

    def __init__(self, context: Context, hospital_id: HospitalId, *, hour: int, every_days: int) -> None:
        """Verify the traces of *context* every so many days at *hour* of the hospital's time."""
        self._context = context
        self._hospital_id = hospital_id
        self._hour = hour
        self._every = timedelta(days=every_days)
        self._holder = uuid4().hex
        self._since = context.clock.now()

    async def run(self) -> None:
        """Do it when it is due, until cancelled; what keeps it from being done is logged, and tried at the next look."""
        while True:
            try:
                await self.look()
            except (PolicyError, RecorderError, SQLAlchemyError, OSError) as error:
                log.warning("verification.not_done", error=str(error))
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def look(self) -> Inspection | None:
        """Verify everything if that is due and no other console does, and return what was found.

        Raises what keeps it from being done.
        """
        if not await self._is_due() or not await self._claim() or not await self._is_due():
            return None  # asked a second time: another console may just have finished
        keeping = asyncio.create_task(self._keep_claim())
        try:
            found = await self._verify()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        await self._context.proofs.note(VERIFIED, ACTOR, {**told_of(found), "asked": False})
        log.info("verification.done", intact=found.intact, findings=len(found.findings))
        return found

    async def _verify(self) -> Inspection:
        executor = ThreadPoolExecutor(1, "verification", initializer=_least)
        try:
            shelf = await shelf_of(self._context, self._hospital_id, executor)
            return await self._context.proofs.verify_store(shelf)
        finally:  # without waiting: this is the loop of everybody
            executor.shutdown(wait=False, cancel_futures=True)

    async def _claim(self) -> bool:
        bookmarks = self._context.services.bookmarks
        await bookmarks.begin(self._hospital_id, READER, timedelta())
        return await bookmarks.hold(self._hospital_id, READER, self._holder, LEASE)

    async def _keep_claim(self) -> None:
        """Renew the claim for as long as it takes; while that fails, another console may begin too: no harm is done."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await self._claim()
            except PolicyError as error:
                log.warning("verification.claim_not_renewed", error=str(error))

    async def _is_due(self) -> bool:
        last = await last_verified(self._context.journal, self._hospital_id)
        return await self._due() > (self._since if last is None else last.at)

    async def _due(self) -> datetime:
        """The instant after which the last one must have been: the newest hour that passed, less the days between two."""
        hospital = await self._context.services.hospitals.get(self._hospital_id)
        here = self._context.clock.now().astimezone(ZoneInfo(hospital.timezone))
        hour = here.replace(hour=self._hour, minute=0, second=0, microsecond=0)
        newest = hour if hour <= here else hour - timedelta(days=1)
        return newest - (self._every - timedelta(days=1))


def _least() -> None:
    # of this thread alone, as Linux counts: what technicians and readers do comes first
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICEST)
