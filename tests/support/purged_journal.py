"""An installation whose journal lost the front of a chain: by rule, as checkpoints bear out, or by somebody's hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, insert

from ecluse import settings
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.audit.purge import PURGED, Cut, JournalPurge
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.retention.journal import KEPT, JournalPurger
from recorder.retention.witness import Witness
from recorder.seal.signing import SigningKey
from recorder.store.database import Database
from recorder.store.tables import journal_entries, journal_purges


async def purge_first_entry(config: Path) -> None:
    """Write a chain whose first entry is older than the journal is kept, and let that entry go as the console does."""
    chosen = settings.load(config)
    now, signer = datetime.now(UTC), SigningKey.load(chosen.checkpoint_key)
    times = [now - KEPT - timedelta(days=30)]
    database = Database(chosen.trace_url())
    try:
        journal = Journal(database, node="node1", now=lambda: times[-1])
        notary = Notary(
            database, signer, hospital_id=chosen.hospital_id, node="console", now=lambda: times[-1]
        )
        proofs = Proofs(
            database=database, journal=journal, hospital_id=chosen.hospital_id, notary=notary,
            keys=(signer.public,), now=lambda: times[-1],
        )  # fmt: skip
        await proofs.note("door.opened", "console", {})
        await notary.make()
        times.append(now)
        purger = JournalPurger(database, chosen.hospital_id, signer, lambda: times[-1], known=[signer.public])
        record = await purger.record(await purger.plan(Witness(now, None, []), []))
        assert record is not None
        await proofs.note(PURGED, "console", {"number": record.number, "digest": record.digest})
        await notary.make()
        assert await purger.delete(record, [])
    finally:
        await database.dispose()


async def take_first_entry(config: Path) -> None:
    """Take the first entry of a chain away, with a record that nobody signed: by who may write into the database."""
    chosen, at = settings.load(config), datetime.now(UTC)
    database = Database(chosen.trace_url())
    try:
        journal = Journal(database, node="node7", now=lambda: at)
        for name in ("door.opened", "door.closed"):
            await journal.append(SecurityEvent(name=name, hospital_id=chosen.hospital_id, at=at))
        async with database.write() as connection:
            first = (
                await connection.execute(
                    journal_entries.select().where(
                        journal_entries.c.writer.like("node7%"), journal_entries.c.seq == 1
                    )
                )
            ).one()
            made = JournalPurge(
                hospital_id=chosen.hospital_id, number=1, purged_at=at, rule="r",
                chains=(Cut(first.writer, 1, first.digest, 1),), signer="0" * 16,
            )  # fmt: skip
            row = {"hospital_id": chosen.hospital_id, "number": 1, "made_at": at}
            content = {"content": made.to_json().decode(), "signature": "00" * 64}
            await connection.execute(insert(journal_purges), {**row, **content})
            await connection.execute(
                delete(journal_entries).where(
                    journal_entries.c.writer == first.writer, journal_entries.c.seq == 1
                )
            )
    finally:
        await database.dispose()
