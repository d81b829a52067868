"""Events that are written behind whatever goes on, in order; while the journal is away they wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import structlog

from recorder.audit.events import SecurityEvent
from recorder.errors import JournalHasIt, RecorderError

RETRY_SECONDS = 2.0
MOST_WAITING = 5000
"""Events that wait for a journal out of reach; of more, the oldest are only in the log."""

_log = structlog.get_logger()


class Appending(Protocol):
    """A journal, as far as it is written."""

    async def append(self, event: SecurityEvent) -> None:
        """Add an event. Raises JournalBroken."""


class Backlog:
    """Takes events on the event loop, and never blocks or fails.

    What waits is in memory: it is for what tells of something, never for what must be written before it happens.

    Args:
        journal: Where they go; None: they wait until one is set.
        retry_seconds: How often it is tried while it is away.
    """

    def __init__(self, journal: Appending | None = None, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._journal = journal
        self._retry_seconds = retry_seconds
        self._waiting: deque[SecurityEvent] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def journal(self) -> Appending | None:
        """Where events go; once it is set, those that waited for one go there at once."""
        return self._journal

    @journal.setter
    def journal(self, journal: Appending) -> None:
        self._journal = journal
        if self._waiting:
            self._begin()

    def put(self, event: SecurityEvent) -> None:
        """Write this event soon."""
        if len(self._waiting) == MOST_WAITING:
            _lost(self._waiting.popleft())
        self._waiting.append(event)
        if self._journal is not None:
            self._begin()

    async def close(self) -> None:
        """Try what waits once more; what the journal does not take then is only in the log."""
        self._closing.set()
        self._begin()
        if self._writing is not None:
            await self._writing

    def _begin(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            event = self._waiting[0]
            kept = await self._kept(event)
            if not kept and not self._closing.is_set():
                await self._pause()
                continue
            if not kept:
                _lost(event)
            if self._waiting and self._waiting[0] is event:
                self._waiting.popleft()

    async def _kept(self, event: SecurityEvent) -> bool:
        if self._journal is None:
            return False
        try:
            await self._journal.append(event)
        except JournalHasIt:
            return True  # the answer to an earlier try was lost
        except RecorderError as error:
            _log.warning(
                "journal.failed", event_name=event.name, error=str(error), next="kept, and tried again"
            )
            return False
        return True

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._retry_seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def _lost(event: SecurityEvent) -> None:
    about = {} if event.session_id is None else {"session": event.session_id}
    _log.error("journal.lost", event_name=event.name, details=event.details, **about)
