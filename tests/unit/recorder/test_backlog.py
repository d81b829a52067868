"""Events that wait for a journal out of reach: in order, once each, and told when they are lost after all."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from structlog.testing import capture_logs

from recorder.audit.backlog import MOST_WAITING, Backlog
from recorder.audit.events import SecurityEvent
from recorder.errors import JournalBroken, JournalHasIt
from tests.support.waiting import eventually

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def event(name: str) -> SecurityEvent:
    """An event of that name."""
    return SecurityEvent(name=f"alarm.{name}", hospital_id="h1", at=NOW, actor="gateway")


class Journal:
    """Takes events, but for what *refuse* raises."""

    def __init__(self, refuse: Callable[[int], Exception | None] = lambda _tries: None) -> None:
        self.refuse = refuse
        self.tries = 0
        self.kept: list[str] = []

    async def append(self, one: SecurityEvent) -> None:
        """Take it, or not."""
        self.tries += 1
        error = self.refuse(self.tries)
        if error is not None:
            raise error
        self.kept.append(one.name.removeprefix("alarm."))


async def drained(backlog: Backlog, journal: Journal, count: int) -> None:
    """Wait until the journal has so many."""
    await eventually(lambda: len(journal.kept) >= count)
    await backlog.close()


async def test_what_waits_is_written_in_order_once_the_journal_is_back() -> None:
    """Refused three times, then taken: every event is there once, in the order in which it was told."""
    journal = Journal(lambda tries: JournalBroken("away") if tries < 4 else None)
    backlog = Backlog(journal, retry_seconds=0.001)
    for name in ("a", "b", "c"):
        backlog.put(event(name))
    await drained(backlog, journal, 3)
    assert journal.kept == ["a", "b", "c"]


async def test_an_answer_that_was_lost_is_no_event_that_was_lost() -> None:
    """Where the journal has an event already, the ones behind it are not kept waiting for it."""
    journal = Journal(lambda tries: JournalHasIt("already") if tries == 1 else None)
    backlog = Backlog(journal, retry_seconds=0.001)
    for name in ("a", "b"):
        backlog.put(event(name))
    await drained(backlog, journal, 1)
    assert journal.kept == ["b"]


async def test_events_before_there_is_a_journal_wait_for_it() -> None:
    """What is told while a gateway starts is written as soon as it has its journal, not at a next try."""
    backlog, journal = Backlog(retry_seconds=60), Journal()
    backlog.put(event("early"))
    await asyncio.sleep(0)
    backlog.journal = journal
    await drained(backlog, journal, 1)
    assert journal.kept == ["early"]


async def test_what_is_lost_is_in_the_log() -> None:
    """A close that finds the journal still away, and a queue that is full, say what nobody will find in the journal."""
    backlog = Backlog(Journal(lambda _tries: JournalBroken("away")), retry_seconds=60)
    with capture_logs() as logged:
        for number in range(MOST_WAITING + 1):
            backlog.put(event(f"e{number}"))
        await backlog.close()
    lost = [entry["event_name"] for entry in logged if entry["event"] == "journal.lost"]
    assert lost == [f"alarm.e{number}" for number in range(MOST_WAITING + 1)]
