"""An installation whose journal lost the front of a chain by rule."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, insert

from ecluse import settings
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.audit.purge import Cut, JournalPurge
from recorder.seal.signing import SigningKey
from recorder.store.database import Database
from recorder.store.tables import journal_entries, journal_purges


async def purge_first_entry(config: Path) -> None:
    """Write a chain of two entries, and let the first go as the journal's own rule does, with a signed record."""
    chosen, at = settings.load(config), datetime.now(UTC)
    signer = SigningKey.load(chosen.checkpoint_key)
    database = Database(chosen.trace_url())
    try:
        journal = Journal(database, node="node1", now=lambda: at)
        for name in ("door.opened", "door.closed"):
            await journal.append(SecurityEvent(name=name, hospital_id=chosen.hospital_id, at=at))
        first = next(
            one
            for one in (await journal.entries(JournalFilters(hospital_id=chosen.hospital_id))).entries
            if one.seq == 1
        )
        made = JournalPurge(
            hospital_id=chosen.hospital_id, number=1, purged_at=at, rule="r",
            chains=(Cut(first.writer, 1, first.digest, 1),), signer=signer.public.key_id,
        )  # fmt: skip
        content = made.to_json()
        row = {"hospital_id": chosen.hospital_id, "number": 1, "made_at": at, "content": content.decode()}
        async with database.write() as connection:
            await connection.execute(insert(journal_purges), {**row, "signature": signer.sign(content).hex()})
            await connection.execute(delete(journal_entries).where(journal_entries.c.seq == 1))
    finally:
        await database.dispose()
