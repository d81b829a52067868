"""``ecluse db`` on a real installation."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from ecluse import migration, settings
from policy.clock import SystemClock
from recorder.audit.journal import Journal, JournalFilters
from recorder.store.database import Database
from recorder.store.migrations.upgrade import MIGRATIONS
from tests.support.installed import change, ecluse
from tests.support.newer_schema import Step, newer


def grow_old(config: Path) -> None:
    """Make every change and every invitation of the installation three hundred days older."""
    with sqlite3.connect(config.parent / "policy.db") as database:
        database.execute("UPDATE outbox SET at = datetime(at, '-300 days') || '.000000'")
        database.execute("UPDATE invitations SET issued_at = datetime(issued_at, '-300 days') || '.000000'")
        database.execute("UPDATE invitations SET expires_at = datetime(expires_at, '-300 days') || '.000000'")
    database.close()


async def journalled(config: Path) -> list[str]:
    """The names of the journal's entries, in order."""
    chosen = settings.load(config)
    database = Database(chosen.trace_url())
    try:
        journal = Journal(database, node="test", now=SystemClock().now)
        page = await journal.entries(JournalFilters(hospital_id=chosen.hospital_id))
        return [entry.event.name for entry in page.entries]
    finally:
        await database.dispose()


def test_pruning_counts_first_then_removes_and_leaves_a_line(config: Path) -> None:
    """``--dry-run`` changes nothing and says what would go; without it the same rows go, after the journal has them."""
    grow_old(config)
    foreseen = json.loads(ecluse("db", "prune", "--dry-run", "--json", "--config", str(config)).stdout)
    assert foreseen["dry_run"]
    assert foreseen["removed"].keys() == {"outbox", "invitations"}
    assert asyncio.run(journalled(config)) == []
    done = ecluse("db", "prune", "--config", str(config))
    assert done.exit_code == 0, done.output
    total = sum(foreseen["removed"].values())
    assert f"{total} old rows removed" in done.stdout
    names = asyncio.run(journalled(config))
    assert "hospital.created" in names
    assert names[-1] == "store.pruned"
    again = json.loads(ecluse("db", "prune", "--json", "--config", str(config)).stdout)
    assert again["removed"] == {"outbox": 1}


@pytest.mark.parametrize(("kind", "outlasted"), [("expand", True), ("contract", False)])
def test_a_migration_that_running_programs_would_not_outlast_waits_until_they_stop(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, outlasted: bool
) -> None:
    """With ``--while-running`` one that only adds is done, one that takes away is refused with the way out, untouched."""
    known = MIGRATIONS
    since = None if outlasted else f"{int(known.head) + 1:04}"
    step = Step(
        kind=kind, unused_since=since, body='op.add_column("holds_stored", sa.Column("tomorrow", sa.Text))'
    )
    tomorrow = newer(known, tmp_path / "tomorrow", step)
    monkeypatch.setattr(migration, "TRACES", tomorrow)
    wanted = ["db", "migrate", "--config", str(config)]
    done = ecluse(*wanted, "--while-running")
    with sqlite3.connect(config.parent / "traces.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(holds_stored)")]
    database.close()
    assert (done.exit_code, "tomorrow" in columns) == ((0, True) if outlasted else (1, False))
    if not outlasted:
        assert "systemctl stop ecluse.target" in done.stderr
        assert ecluse(*wanted).exit_code == 0


def test_what_is_kept_too_short_is_refused_by_its_key(config: Path) -> None:
    """A retention below what is still looked at is no setting."""
    change(config, "retention", "sessions_days = 3")
    refused = ecluse("db", "prune", "--config", str(config), language="fr")
    assert refused.exit_code == 1
    assert "retention.sessions_days" in refused.stderr
    assert "90" in refused.stderr
