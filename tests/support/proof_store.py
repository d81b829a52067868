"""A small real store with its proofs, to be attacked as root would: four sealed sessions, two days, an anchor elsewhere."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import text

from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.proof import checkpoint, verifier
from recorder.proof.anchors import Anchor, read
from recorder.proof.checkpoint import Checkpoint, Head
from recorder.proof.export import PublicKeys, export
from recorder.proof.inspection import Inspection
from recorder.proof.notary import Notary, SignedCheckpoint
from recorder.proof.proofs import Proofs
from recorder.proof.sessions import Shelf
from recorder.replay.reader import TraceReader, read_manifest
from recorder.seal.signing import PublicKey, SigningKey, generate_key
from recorder.seal.wrapping import generate_reader_key
from recorder.store.database import Database
from recorder.store.folder import FolderStore
from recorder.trace import instants
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.place import SEGMENT_BYTES
from recorder.trace.purge import PurgeRecord
from tests.support.traces import EPOCH, HOSPITAL, NODE, SteppingClock, header, passed, studio, unexpected

DAY = timedelta(days=1)
SESSIONS = tuple(f"{number:032x}" for number in range(1, 5))
"""Of the first day, and of the second: two each."""
READERS = 2


@dataclass
class ProofStore:
    """What root reaches: ``folder`` holds keys, database and traces. Anchors are elsewhere."""

    folder: Path
    anchors: Path
    clock: SteppingClock
    _open: list[Database] = field(default_factory=list)

    @property
    def traces(self) -> FolderStore:
        """The store of closed traces."""
        return FolderStore(self.folder / "traces")

    def trace(self, number: int) -> Path:
        """The folder of that session's trace, from 1."""
        return self.traces.open(HOSPITAL, SESSIONS[number - 1])

    def database(self) -> Database:
        """A connection to the database, closed with the store."""
        self._open.append(Database(f"sqlite:///{self.folder}/traces.db"))
        return self._open[-1]

    async def close(self) -> None:
        """Close what was opened."""
        while self._open:
            await self._open.pop().dispose()

    async def sql(self, *statements: str, **values: Any) -> None:
        """Change rows as the owner of the file may."""
        async with self.database().write() as connection:
            for statement in statements:
                await connection.execute(text(statement), values)

    async def ask(self, query: str) -> Any:
        """One value out of the database."""
        async with self.database().read() as connection:
            return (await connection.execute(text(query))).scalar()

    def proofs(self) -> Proofs:
        """The console's proofs over it."""
        database = self.database()
        key = SigningKey.load(self.folder / "checkpoint.pem")
        return Proofs(
            database=database,
            journal=Journal(database, node="console", now=self.clock),
            hospital_id=HOSPITAL,
            notary=Notary(database, key, hospital_id=HOSPITAL, node="console", now=self.clock),
            keys=(key.public,),
            now=self.clock,
        )

    async def events(self, count: int) -> None:
        """Write that many entries by one gateway."""
        journal = Journal(self.database(), node=NODE, now=self.clock)
        for _ in range(count):
            await journal.append(SecurityEvent(name="access.denied", hospital_id=HOSPITAL, at=self.clock()))

    async def about(self, session_id: str) -> None:
        """Write an entry about that session, between two others."""
        journal = Journal(self.database(), node=NODE, now=self.clock)
        for name, about in (("access.denied", None), ("session.opened", session_id), ("access.denied", None)):
            await journal.append(
                SecurityEvent(name=name, hospital_id=HOSPITAL, at=self.clock(), session_id=about)
            )

    async def checkpoint(self) -> list[SignedCheckpoint]:
        """Make a checkpoint, and have it remembered elsewhere."""
        made = await self.proofs().checkpoint("console", force=True)
        with self.anchors.open("a") as file:
            for one in made:
                told = Anchor(HOSPITAL, one.checkpoint.sequence, one.digest, instants.text(one.checkpoint.at))
                file.write(f"{told.to_json().decode()}\n")
        return made

    async def tell_again(self, head: Head) -> None:
        """Sign one more checkpoint, by the console's key, that commits to this head and to nothing else."""
        key = SigningKey.load(self.folder / "checkpoint.pem")
        last = (await self.ask("SELECT content FROM checkpoints ORDER BY sequence DESC LIMIT 1")).encode()
        before = Checkpoint.from_json(last)
        made = replace(
            before, sequence=before.sequence + 1, previous=checkpoint.digest(last), journal=(head,)
        )
        made = replace(made, opened=(), closed=(), purged=())
        content = made.to_json()
        await self.sql(
            "INSERT INTO checkpoints (hospital_id, sequence, at, content, digest, signature, signer) "
            "SELECT hospital_id, sequence + 1, at, :content, :digest, :signature, signer "
            "FROM checkpoints ORDER BY sequence DESC LIMIT 1",
            content=content.decode(),
            digest=checkpoint.digest(content),
            signature=key.sign(content).hex(),
        )

    async def purge(self, number: int, *, key: SigningKey | None = None) -> None:
        """Take the content of that session's trace away by the rule, as retention does."""
        folder, key = self.trace(number), key or SigningKey.load(self.folder / "checkpoint.pem")
        manifest = read_manifest(folder)
        gone = [path for pattern in ("*.ecl", "*.wrap") for path in folder.glob(pattern)]
        record = PurgeRecord(
            session_id=manifest.session_id,
            hospital_id=manifest.hospital_id,
            manifest_sha256=hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest(),
            purged_at=self.clock(),
            reason="retention",
            decided_by=[],
            rule="twelve months",
            removed=[{"name": path.name, "bytes": path.stat().st_size} for path in gone],
            signer=key.public.key_id,
        )
        for path in gone:
            path.unlink()
        data = record.to_json()
        (folder / "purge.json").write_bytes(data)
        (folder / "purge.sig").write_bytes(key.sign(data))
        purged = {
            "one": manifest.session_id,
            "digest": hashlib.sha256(data).hexdigest(),
            "hospital": HOSPITAL,
        }
        await self.sql("INSERT INTO sessions_purged VALUES (:hospital, :one, 0, :digest)", **purged)

    async def record(
        self,
        session_id: str,
        *texts: bytes,
        opened_at: datetime | None = None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Record a session with a record for each of *texts*, by the gateway's own key."""
        readers = tuple(self.folder / f"reader-{number}.pem.pub" for number in range(READERS))
        cut = patch("recorder.capture.segments.SEGMENT_BYTES", segment_bytes)
        async with studio(self.folder, reader_keys=readers) as made:
            opened = header(session_id, started_at=opened_at or self.clock())
            with cut:
                recording = await made.recorder.open(opened, unexpected)
                for one in texts:
                    await passed(recording, FrameType.OUTPUT, 1, one)
                await recording.close("client_left")

    async def by_product(self, *, anchored: bool) -> Inspection:
        """What the console's own verification finds."""

        def fetch(wanted: TraceHeader) -> nullcontext[Path]:
            return nullcontext(self.traces.open(wanted.hospital_id, wanted.session_id, wanted.started_at))

        shelf = Shelf(
            fetch=fetch,
            stored=self.traces.sessions(HOSPITAL),
            keys=[PublicKey.load(self.folder / "signing.pem.pub")],
            consoles=[PublicKey.load(self.folder / "checkpoint.pem.pub")],
            live_nodes={NODE},
            now=self.clock() + DAY,
        )
        anchors = read(self.anchors.read_text().splitlines()) if anchored else []
        return await self.proofs().verify_store(shelf, anchors)

    async def exported(self, target: Path) -> Path:
        """Export everything that proves."""
        await export(self.database(), HOSPITAL, target, self.public_keys())
        return target

    def public_keys(self) -> PublicKeys:
        """Those of the gateway and of the console."""
        names = ("signing.pem.pub", "checkpoint.pem.pub")
        gateway, console = (PublicKey.load(self.folder / name) for name in names)
        return PublicKeys([gateway], [console])

    async def by_verifier(self, target: Path, *, anchored: bool, ca: Path | None = None) -> verifier.Report:
        """What the stand-alone verifier finds in an export and the store."""
        options = argparse.Namespace(
            key=[self.folder / "signing.pem.pub"],
            checkpoint_key=[self.folder / "checkpoint.pem.pub"],
            store=self.folder / "traces",
            anchors=[self.anchors] if anchored else [],
            ca=ca,
        )
        report = verifier.Report()
        verifier.verify_path(await self.exported(target), options, report)
        return report


async def build(folder: Path, *, start: datetime = EPOCH, apart: timedelta = DAY) -> tuple[ProofStore, Path]:
    """Make the store in *folder*; also give back a copy of all of it as it was at the end of its first day.

    Its days begin at *start* and are *apart*.
    """
    here = folder / "bastion"
    here.mkdir(parents=True)
    made = ProofStore(here, folder / "anchors.jsonl", SteppingClock())
    made.clock.at = start
    generate_key(here / "checkpoint.pem")
    for number in range(READERS):
        generate_reader_key(here / f"reader-{number}.pem")
    await _day(made, SESSIONS[:2])
    yesterday = folder / "yesterday"
    shutil.copytree(here, yesterday)
    made.clock.at += apart
    await _day(made, SESSIONS[2:])
    await made.close()
    return made, yesterday


async def _day(made: ProofStore, sessions: Sequence[str]) -> None:
    for session_id in sessions:
        small = 1 if session_id == SESSIONS[2] else SEGMENT_BYTES  # the third: a segment a record
        await made.record(session_id, b"login: ", b"alice", b"dose 3 mGy", b"exit", segment_bytes=small)
        await made.events(6)
        await made.checkpoint()
    await made.events(12)
    await made.checkpoint()
    await made.close()


def copy_of(made: ProofStore, folder: Path) -> ProofStore:
    """A copy of the store, writable as root would find it; anchors stay where they are, and are copied too."""
    shutil.copytree(made.folder, folder / "bastion")
    for path in (folder / "bastion/traces").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    anchors = Path(shutil.copyfile(made.anchors, folder / "anchors.jsonl"))
    clock = SteppingClock()
    clock.at = made.clock.at
    return ProofStore(folder / "bastion", anchors, clock)


def pieces(trace: Path) -> tuple[bytes, list[bytes]]:
    """The head of a trace and its records."""
    data = (trace / "trace-000001.ecl").read_bytes()
    with TraceReader(trace) as reader:
        at = start = reader.bytes_read
        found = []
        for record in reader.records():
            found.append(data[at : at + record.size])
            at += record.size
    return data[:start], found


def rewrite(trace: Path, head: bytes, records: list[bytes]) -> None:
    """Put these records in the trace's place."""
    (trace / "trace-000001.ecl").write_bytes(head + b"".join(records))
