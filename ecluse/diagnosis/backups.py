"""Backups: whom they are sealed for, and what the last one and the last rehearsal were, as the journal tells."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.private_files import private_half
from ecluse.settings import Settings
from policy.clock import Clock
from recorder.audit.entries import JournalEntry
from recorder.audit.journal import Journal
from recorder.errors import RecorderError
from recorder.store.database import Database

MADE: Final = "backup.made"
REHEARSED: Final = "backup.verified"
_OLDEST: Final = {MADE: timedelta(days=2), REHEARSED: timedelta(days=183)}


async def backups(settings: Settings, clock: Clock) -> list[Symptom]:
    """Look at the keys and at the journal; a key that could open the backups here fails."""
    if not settings.backup.recipients:
        return [look("backup").notice("none")]
    return [*_keys(settings), *await _ages(settings, clock)]


def _keys(settings: Settings) -> Iterator[Symptom]:
    for path in settings.backup_recipients:
        check, private = look("backup_key", path=str(path)), private_half(path)
        if private is not None:
            yield check.failed("private", private=str(private))
        else:
            yield check.good() if path.exists() else check.failed("missing")


async def _ages(settings: Settings, clock: Clock) -> list[Symptom]:
    if traces_are_absent(settings):
        return []  # told by the database's own check
    try:
        async with opened_traces(settings) as database:
            found = {name: await _newest(database, settings.hospital_id, name) for name in _OLDEST}
    except (RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    has_bucket = settings.store.bucket is not None
    return [_state(name, entry, clock.now(), has_bucket=has_bucket) for name, entry in found.items()]


def _state(name: str, entry: JournalEntry | None, now: datetime, *, has_bucket: bool) -> Symptom:
    check = look("backup_made" if name == MADE else "backup_rehearsed")
    if entry is None:
        return check.notice("never")
    at, told = entry.event.at, entry.event.details
    days, bucket = (now - at).days, told.get("bucket")
    if now - at > _OLDEST[name]:
        return check.notice("old", days=days)
    if name == MADE:
        listed = not has_bucket or (isinstance(bucket, Mapping) and "unreached" not in bucket)
        return check.good(days=days) if listed else check.notice("unlisted", days=days)
    traces = told.get("traces")
    broken = len(traces.get("broken", ())) if isinstance(traces, Mapping) else 0
    if broken or (isinstance(bucket, Mapping) and bucket.get("whole") is not True):
        return check.failed("touched", days=days)
    return check.notice("left_out", days=days) if has_bucket and bucket is None else check.good(days=days)


async def newest(database: Database, hospital_id: str, name: str) -> datetime | None:
    """Return when the newest entry of that *name* was written; None where there is none."""
    found = await _newest(database, hospital_id, name)
    return None if found is None else found.event.at


async def _newest(database: Database, hospital_id: str, name: str) -> JournalEntry | None:
    journal = Journal(database, node="reading", now=lambda: datetime.now(UTC))
    return await journal.newest(hospital_id, name)
