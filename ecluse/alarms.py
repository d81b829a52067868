"""Alarms of the recorder and of the machines, written into the journal as they are raised."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from recorder.audit.backlog import RETRY_SECONDS, Appending, Backlog
from recorder.audit.events import SecurityEvent


class JournalAlarms:
    """Takes alarms on the event loop and journals them behind it, in order; while the journal is away they wait."""

    def __init__(
        self,
        hospital_id: str,
        now: Callable[[], datetime],
        actor: str = "recorder",
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Journal for *hospital_id* once ``journal`` is set, as *actor*; *now* gives aware UTC instants."""
        self._actor = actor
        self._hospital_id = hospital_id
        self._now = now
        self._backlog = Backlog(retry_seconds=retry_seconds)

    @property
    def journal(self) -> Appending | None:
        """Where alarms go."""
        return self._backlog.journal

    @journal.setter
    def journal(self, journal: Appending) -> None:
        self._backlog.journal = journal

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        """Raise the alarm *name* (``alarm.…``) with its *facts*, which the recorder has logged; never blocks or fails."""
        self._backlog.put(
            SecurityEvent(
                name=name,
                hospital_id=str(facts.get("hospital_id") or self._hospital_id),
                at=self._now(),
                actor=self._actor,
                session_id=facts.get("session_id"),
                details=facts,
            )
        )

    async def close(self) -> None:
        """Wait for the alarms under way: the last ones tell why a gateway ended."""
        await self._backlog.close()
