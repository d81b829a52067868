"""What proving costs: checkpoints, the journal, the catalogue, traces. Prints one table, asserts nothing.

Usage: python -m bench.proofs [SESSIONS] [ENTRIES]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from bench.recorder import bulk, header, stored_bytes
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.capture.spool import Recorder
from recorder.proof import verifier
from recorder.proof.export import PublicKeys, export
from recorder.proof.notary import Notary
from recorder.proof.proofs import Proofs
from recorder.replay.reader import verify
from recorder.seal.signing import PublicKey, generate_key
from recorder.settings import RecorderSettings
from recorder.store.database import Database, migrate
from recorder.store.tables import sessions_closed, sessions_opened

T = TypeVar("T")
HOSPITAL = "bench"
TEXT = (b"drwxr-xr-x  2 root root 4096 Nov 22 18:31 shared\r\n" * 700)[:32768]


def now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


async def main(folder: Path, sessions: int, entries: int) -> None:
    """Run every measurement over that many *sessions* and journal *entries*."""
    url = f"sqlite:///{folder}/traces.db"
    await migrate(url)
    database = Database(url)
    key = generate_key(folder / "checkpoint.pem")
    journal = Journal(database, node="bench", now=now)
    notary = Notary(database, key, hospital_id=HOSPITAL, node="bench", now=now)
    proofs = Proofs(
        database=database, journal=journal, hospital_id=HOSPITAL, notary=notary, keys=(key.public,), now=now
    )
    table = Table("proofs", "value", title=f"Proving, {sessions:,} sessions, {entries:,} journal entries")
    await _catalogue(database, sessions)
    wall, made = await _timed(notary.make)
    table.add_row("first checkpoints over all of it", f"{len(made)} in {wall:,.1f} s")
    wall, _ = await _timed(notary.make)
    table.add_row("a look where nothing is due", f"{wall * 1e3:,.0f} ms")
    await _journal(journal, entries)
    wall, _ = await _timed(notary.make)
    table.add_row("a checkpoint over the new entries", f"{wall * 1e3:,.0f} ms")
    wall, found = await _timed(proofs.verify_ledger)
    table.add_row(
        "checkpoints and journal verified", f"{entries / wall:,.0f} entries/s, intact: {found.intact}"
    )
    keys = PublicKeys([key.public], [key.public])
    wall, _ = await _timed(lambda: export(database, HOSPITAL, folder / "export", keys))
    table.add_row("exported", f"{wall:,.1f} s")
    wall, report = await _timed(lambda: asyncio.to_thread(_alone, folder))
    table.add_row("verified by the one file", f"{wall:,.1f} s, intact: {not report.findings}")
    await database.dispose()
    for name, rate in (await _traces(folder)).items():
        table.add_row(f"a trace verified, {name}", rate)
    Console().print(table)


async def _timed(work: Callable[[], Awaitable[T]]) -> tuple[float, T]:
    started = time.perf_counter()
    result = await work()
    return time.perf_counter() - started, result


async def _catalogue(database: Database, sessions: int) -> None:
    told = header()
    text = told.to_json().decode()
    for start in range(0, sessions, 1000):
        names = [f"{number:032x}" for number in range(start, min(start + 1000, sessions))]
        columns = {"node": "bench", "person_id": "p", "supplier_id": "s", "device_id": "d", "window_id": "w"}
        opened = [
            {
                "hospital_id": HOSPITAL,
                "session_id": name,
                "started_at": told.started_at,
                "header": text,
                **columns,
            }
            for name in names
        ]
        ending = {"end_reason": "left", "interrupted": False, "records": 1, "size": 1, "trimmed_bytes": 0}
        digests = {"manifest_sha256": "0" * 64, "signer": "0" * 16}
        closed = [
            {"hospital_id": HOSPITAL, "session_id": name, "closed_at": now(), **ending, **digests}
            for name in names
        ]
        async with database.write() as connection:
            await connection.execute(insert(sessions_opened), opened)
            await connection.execute(insert(sessions_closed), closed)


async def _journal(journal: Journal, entries: int) -> None:
    for _ in range(0, entries, 500):
        events = [
            SecurityEvent(name="access.granted", hospital_id=HOSPITAL, at=now(), details={"rules": "x" * 200})
            for _ in range(500)
        ]
        await asyncio.gather(*(journal.append(event) for event in events))


def _alone(folder: Path) -> verifier.Report:
    keys = [folder / "checkpoint.pem.pub"]
    report = verifier.Report()
    options = argparse.Namespace(key=keys, checkpoint_key=keys, store=None, anchors=[], ca=None)
    verifier.verify_path(folder / "export", options, report)
    return report


async def _traces(folder: Path) -> dict[str, str]:
    """How fast a trace of many small records, and one of large ones, is verified by either verifier."""
    generate_key(folder / "key.pem")
    settings = RecorderSettings(
        spool=folder / "spool",
        store=folder / "store",
        signing_key_path=folder / "key.pem",
        catalog_url=f"sqlite:///{folder}/traces.db",
        min_free_bytes=0,
    )
    recorder = Recorder(settings, node="bench", now=now)
    await recorder.start()
    found = {}
    key, keys = PublicKey.load(folder / "key.pem.pub"), verifier.Keys([folder / "key.pem.pub"])
    for name, payload, count in (("keystrokes", TEXT[:64], 50_000), ("listings", TEXT, 16_384)):
        recording = await recorder.open(header(), _failed)
        await bulk(recording, [payload], count)
        await recording.close("measured")
        place = recorder.store.find(HOSPITAL, recording.session_id)
        trace = settings.store / place.folder
        size = stored_bytes(trace)
        started = time.perf_counter()
        records = verify(trace, key).records
        ours = time.perf_counter() - started
        started = time.perf_counter()
        verifier.verify_trace(trace, keys)
        theirs = time.perf_counter() - started
        for who, seconds in (("console", ours), ("the one file", theirs)):
            found[f"{name}, {who}"] = f"{records / seconds:,.0f} records/s, {size / seconds / 1e6:,.0f} MB/s"
    await recorder.stop()
    return found


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(main(Path(scratch), *(counts + [20_000, 50_000][len(counts) :])))
