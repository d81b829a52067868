"""Alarms of the recorder and of the machines, written into the journal as they are raised."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.errors import RecorderError

log = structlog.get_logger()


class JournalAlarms:
    """Takes alarms on the event loop and journals them behind it; one that cannot be kept is logged."""

    def __init__(self, hospital_id: str, now: Callable[[], datetime], actor: str = "recorder") -> None:
        """Journal for *hospital_id* once ``journal`` is set, as *actor*; *now* gives aware UTC instants."""
        self._actor = actor
        self._hospital_id = hospital_id
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()
        self.journal: Journal | None = None

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        """Raise the alarm *name* (``alarm.…``) with its *facts*, which the recorder has logged; never blocks or fails."""
        task = asyncio.get_running_loop().create_task(self._keep(name, facts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the alarms under way: the last ones tell why a gateway ended."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _keep(self, name: str, facts: dict[str, Any]) -> None:
        if self.journal is None:
            return
        event = SecurityEvent(
            name=name,
            hospital_id=str(facts.get("hospital_id") or self._hospital_id),
            at=self._now(),
            actor=self._actor,
            session_id=facts.get("session_id"),
            details=facts,
        )
        try:
            await self.journal.append(event)
        except RecorderError:
            log.exception("alarm.not_journalled", alarm=name)
