"""Alarms that are raised as a gateway ends are journalled before it has ended."""

from datetime import UTC, datetime
from pathlib import Path

from ecluse.alarms import JournalAlarms
from recorder.audit.journal import Journal, JournalFilters
from recorder.store.database import Database, migrate

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


async def test_closing_waits_for_the_last_alarm(tmp_path: Path) -> None:
    """An alarm raised just before the close is in the journal after it."""
    url = f"sqlite:///{tmp_path}/traces.db"
    await migrate(url)
    database = Database(url)
    alarms = JournalAlarms("h1", lambda: NOW)
    journal = alarms.journal = Journal(database, node="node1", now=lambda: NOW)
    alarms("alarm.spool_full", {"free_bytes": 0})
    await alarms.close()
    page = await journal.entries(JournalFilters(hospital_id="h1"))
    assert page.entries[-1].event.name == "alarm.spool_full"
    await database.dispose()
