"""What is done on this machine's files, not through the API, and must be in the journal all the same."""

import getpass
import os
from collections.abc import Mapping

from ecluse.sections import Part
from ecluse.settings import Settings
from policy.clock import SystemClock
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.store.database import Database

PROGRAM = "ecluse"
"""Who did what a timer does."""


def system_user() -> str:
    """Return who acts here, as the journal names her: who called sudo, where that is known, for root is nobody."""
    return f"system user {os.environ.get('SUDO_USER') or getpass.getuser()}"


async def journalled(
    settings: Settings,
    name: str,
    facts: Mapping[str, object],
    *,
    actor: str,
    chain: str,
    part: Part = Part.OWNER,
) -> None:
    """Write into the journal what *actor* did here, into a *chain* of its own beside the processes' chains.

    *part* is whose user of the database is taken. Raises SettingsError, RecorderError.
    """
    clock = SystemClock()
    database = Database(settings.trace_url(part))
    try:
        await database.check()
        await Journal(database, node=f"{settings.node}-{chain}", now=clock.now).append(
            SecurityEvent(
                name=name, hospital_id=settings.hospital_id, at=clock.now(), actor=actor, details=dict(facts)
            )
        )
    finally:
        await database.dispose()
