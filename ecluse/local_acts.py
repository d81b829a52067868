"""What is done on this machine's files, not through the API, and must be in the journal all the same."""

import getpass
import os

from ecluse.settings import Settings
from policy.clock import SystemClock
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.store.database import Database


async def journalled(settings: Settings, name: str, facts: dict[str, object]) -> None:
    """Write into the journal what was done here, and by which system user. Raises SettingsError, RecorderError."""
    clock = SystemClock()
    database = Database(settings.trace_url())
    try:
        await database.check()
        # who called sudo, where that is known: root is nobody in particular
        user = os.environ.get("SUDO_USER") or getpass.getuser()
        await Journal(database, node=f"{settings.node}-command", now=clock.now).append(
            SecurityEvent(
                name=name,
                hospital_id=settings.hospital_id,
                at=clock.now(),
                actor=f"system user {user}",
                details=facts,
            )
        )
    finally:
        await database.dispose()
