"""What doctor makes of the last backup and of the last rehearsal, as the journal tells of them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ecluse import settings
from ecluse.diagnosis.backups import MADE, REHEARSED, backups
from policy.clock import SystemClock
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.store.database import Database
from tests.support.installed import change, install

pytestmark = pytest.mark.integration
WHOLE = {"whole": True, "versions": 3}


async def told(config: Path, name: str, facts: dict[str, Any], *, bucket: bool) -> str:
    """Return what doctor finds of *name*, once the journal has an entry with these *facts*."""
    change(config, "backup", 'recipients = ["keys/backup.pem.pub"]')
    if bucket:
        change(config, "store", 'bucket = "ecluse-traces"')
    chosen, at = settings.load(config), datetime.now(UTC)
    database = Database(chosen.trace_url())
    try:
        journal = Journal(database, node="console", now=lambda: at)
        await journal.append(SecurityEvent(name=name, hospital_id=chosen.hospital_id, at=at, details=facts))
    finally:
        await database.dispose()
    area = f"doctor.{'backup_made' if name == MADE else 'backup_rehearsed'}"
    [found] = [one for one in await backups(chosen, SystemClock()) if one.subject.key == area]
    return f"{found.level} {found.finding.key.removeprefix(f'{area}.')}"


@pytest.mark.parametrize(
    ("name", "facts", "bucket", "said"),
    [
        (MADE, {}, False, "good good"),
        (MADE, {"bucket": {"bucket": "b", "versions": 3}}, True, "good good"),
        (MADE, {"bucket": {"bucket": "b", "unreached": "no answer"}}, True, "notice unlisted"),
        (MADE, {}, True, "notice unlisted"),
        (REHEARSED, {"traces": {"intact": 3, "broken": []}}, False, "good good"),
        (REHEARSED, {"traces": {"intact": 2, "broken": ["s"]}}, False, "failed touched"),
        (REHEARSED, {"bucket": WHOLE}, True, "good good"),
        (REHEARSED, {"bucket": {**WHOLE, "whole": False}}, True, "failed touched"),
        (REHEARSED, {"bucket": None}, True, "notice left_out"),
    ],
)
def test_what_a_backup_lacks_is_said(
    tmp_path: Path, name: str, facts: dict[str, Any], bucket: bool, said: str
) -> None:
    """One that does not list its bucket, and a rehearsal that found losses or did not look, are not called good."""
    assert asyncio.run(told(install(tmp_path / "data"), name, facts, bucket=bucket)) == said
