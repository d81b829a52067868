"""Backups: whom they are sealed for, and how old the last one and the last rehearsal are, as the journal tells."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ecluse.diagnosis.databases import opened_traces, traces_are_absent
from ecluse.diagnosis.symptom import Symptom, look
from ecluse.errors import SettingsError
from ecluse.private_files import private_half
from ecluse.settings import Settings
from policy.clock import Clock
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
            found = {name: await newest(database, settings.hospital_id, name) for name in _OLDEST}
    except (RecorderError, SettingsError, SQLAlchemyError):
        return []  # the same
    return [_age(name, at, clock.now()) for name, at in found.items()]


def _age(name: str, at: datetime | None, now: datetime) -> Symptom:
    check = look("backup_made" if name == MADE else "backup_rehearsed")
    if at is None:
        return check.notice("never")
    days = (now - at).days
    return check.notice("old", days=days) if now - at > _OLDEST[name] else check.good(days=days)


async def newest(database: Database, hospital_id: str, name: str) -> datetime | None:
    """Return when the newest entry of that *name* was written; None where there is none."""
    journal = Journal(database, node="reading", now=lambda: datetime.now(UTC))
    found = await journal.newest(hospital_id, name)
    return None if found is None else found.event.at
