"""What was restored is looked at: keys and databases serve, the journal holds to its checkpoints, the traces to both."""

import asyncio
import hashlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.engine import make_url

from ecluse import composition
from ecluse.backup import databases
from ecluse.errors import BackupError
from ecluse.proofs import authorities_of
from ecluse.settings import Settings
from policy.clock import SystemClock
from policy.errors import PolicyError
from policy.store.database import Database as PolicyDatabase
from policy.vault.keyring import Keyring
from recorder.audit.journal import Journal
from recorder.audit.purge import recorded_cuts
from recorder.audit.verify import verify_chains
from recorder.errors import RecorderError, StoreUnavailable, TraceFormatError, TraceNotFound
from recorder.ports import TraceStore
from recorder.proof.inspection import Finding, Inspection
from recorder.proof.proofs import Inspector
from recorder.proof.sessions import Shelf
from recorder.seal.signing import PublicKey
from recorder.store import arrivals
from recorder.store.catalog import Catalog
from recorder.store.database import Database as TraceDatabase
from recorder.store.folder import FolderStore
from recorder.store.tables import journal_entries, sessions_closed, sessions_opened
from recorder.trace.header import TraceHeader
from recorder.trace.place import MANIFEST, TracePlace

_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces that stand in a restored folder: how many verify, and which do not."""

    intact: int
    broken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifests in a bucket of the traces that the catalogue knows to be closed.

    Attributes:
        checked: How many were read and are those that the catalogue tells of.
        lost: Sessions of which none is there.
        changed: Sessions of which another one is there.
    """

    checked: int
    lost: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examination:
    """An installation as it was restored, or stands: its settings, and where its databases are."""

    settings: Settings
    policy_url: str
    trace_url: str
    signer: PublicKey | None = None
    """Known from elsewhere to sign its checkpoints."""

    async def databases(self) -> Inspection:
        """Look at the keys, the databases and the journal with its checkpoints. Raises BackupError where one cannot serve."""
        for url in (make_url(self.policy_url), make_url(self.trace_url)):
            if url.drivername == databases.SQLITE:
                with closing(sqlite3.connect(url.database or "")) as connection:
                    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
                if verdict != "ok":
                    raise BackupError("backup.database", place=url.database, why=verdict)
        try:
            Keyring.load(self.settings.keyring)
            policy = await PolicyDatabase.open(self.policy_url)
            await policy.close()
            async with self._inspector() as inspector:
                await inspector.database.check()
                found = await inspector.verify_ledger()
                await self._neighbours(inspector.database, found)
        except (PolicyError, RecorderError) as error:
            raise BackupError("backup.unsound", why=str(error)) from error
        return found

    async def forget_programs(self) -> None:
        """Free the names that the processes of the installation had: none of them has this database open. Raises BackupError."""
        try:
            policy = await PolicyDatabase.open(self.policy_url)
            try:
                async with policy.unit_of_work(None, SystemClock()) as work:
                    await work.programs.clear()
            finally:
                await policy.close()
        except PolicyError as error:
            raise BackupError("backup.unsound", why=str(error)) from error

    async def traces(self, at: datetime) -> Traces:
        """Verify each trace of the folder that the catalogue knew at the instant *at*, and what the catalogue says of it.

        Raises BackupError.
        """
        store = FolderStore(self.settings.trace_folder, now=_now)
        waiting = self._waiting()
        shelf = Shelf(
            fetch=_lent(store),
            stored=(),  # what came while the backup was made was entered, or does not verify: told elsewhere
            keys=self.recorders,
            consoles=self.consoles,
            live_nodes=(),
            now=at,
        )
        try:
            async with self._inspector() as inspector:
                found = await inspector.verify_store(shelf)
        except RecorderError as error:
            raise BackupError("backup.unsound", why=str(error)) from error
        broken = {one.name for one in found.findings if _is_of_a_trace(one, waiting)}
        return Traces(found.counts["traces"] - len(broken), tuple(sorted(broken)))

    async def manifests(self) -> Manifests:
        """Read the manifest of each closed trace in the bucket, and hold it to the digest that the catalogue has.

        One whose retention is over may be gone, and one that waits in the spool is not there yet. Raises BackupError
        where the bucket does not answer, SettingsError.
        """
        own, store, waiting = self.settings.hospital_id, self.store(), self._waiting()
        known = select(
            sessions_closed.c.session_id, sessions_closed.c.manifest_sha256, sessions_opened.c.started_at
        ).join_from(
            sessions_closed,
            sessions_opened,
            (sessions_closed.c.session_id == sessions_opened.c.session_id)
            & (sessions_closed.c.hospital_id == sessions_opened.c.hospital_id),
        )
        async with self._opened() as database, database.read() as connection:
            rows = (await connection.execute(known.where(sessions_closed.c.hospital_id == own))).all()
        kept_since = _now() - timedelta(days=self.settings.store.retention_days + 1)

        def digest(row: Row[Any]) -> str | None:
            try:
                text = store.document(TracePlace(own, row.session_id, row.started_at), MANIFEST)
            except (TraceNotFound, TraceFormatError):
                return None
            return hashlib.sha256(text).hexdigest()

        def read() -> list[str | None]:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                return list(pool.map(digest, rows))

        try:
            read_back = await asyncio.to_thread(read)
        except StoreUnavailable as error:
            raise BackupError("backup.bucket_unreached", why=str(error)) from error
        checked, lost, changed = 0, [], []
        for row, found in zip(rows, read_back, strict=True):
            if found is None:
                if row.session_id not in waiting and row.started_at > kept_since:
                    lost.append(row.session_id)
            elif found != row.manifest_sha256:
                changed.append(row.session_id)
            else:
                checked += 1
        return Manifests(checked, tuple(lost), tuple(changed))

    async def enter_arrivals(self) -> arrivals.Arrivals:
        """Tell the catalogue of the traces that came into the store after the databases were copied.

        What the spool has of one of them is a beginning, that a gateway would close as cut off: it goes. Raises BackupError where the store does not answer, SettingsError.
        """
        store = self.store()
        try:
            async with self._opened() as database:
                found = await arrivals.enter(
                    Catalog(database), store, self.settings.hospital_id, self.recorders, self.consoles
                )
        except StoreUnavailable as error:
            raise BackupError("backup.bucket_unreached", why=str(error)) from error
        for session_id in found.entered:
            shutil.rmtree(self.settings.spool / session_id, ignore_errors=True)
        return found

    @property
    def recorders(self) -> tuple[PublicKey, ...]:
        """The keys of the gateways, as far as they are there."""
        return _keys(self.settings.trace_public_keys)

    @property
    def consoles(self) -> tuple[PublicKey, ...]:
        """The keys that may sign checkpoints: those that are there, and the one known from elsewhere."""
        found = _keys(self.settings.checkpoint_public_keys)
        return found if self.signer is None else (*found, self.signer)

    def store(self) -> TraceStore:
        """Return where the traces are; nothing is held or put by it. Raises SettingsError."""
        bucket = composition.bucket_settings(self.settings, self.settings.console_store_credentials)
        if bucket is None:
            return FolderStore(self.settings.trace_folder, now=_now)
        from recorder.store.objects import ObjectStore  # its library is loaded where a bucket is set

        return ObjectStore(bucket, retention=timedelta(), held=False, now=_now)

    def _waiting(self) -> Collection[str]:
        spool = self.settings.spool
        return {path.name for path in spool.iterdir()} if spool.is_dir() else set()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[TraceDatabase]:
        database = TraceDatabase(self.trace_url)
        try:
            yield database
        finally:
            await database.dispose()

    @asynccontextmanager
    async def _inspector(self) -> AsyncIterator[Inspector]:
        async with self._opened() as database:
            yield Inspector(
                database=database,
                journal=Journal(database, node="backup", now=_now),
                hospital_id=self.settings.hospital_id,
                keys=self.consoles,
                now=_now,
                authorities=tuple(authorities_of(self.settings)),
            )

    async def _neighbours(self, database: TraceDatabase, found: Inspection) -> None:
        """Walk the chains of other hospitals in the same database, whose keys are not here: what a record says is believed."""
        own = self.settings.hospital_id
        async with database.read() as connection:
            query = select(journal_entries.c.hospital_id).distinct()
            others = {*(await connection.execute(query)).scalars()} - {own}
            cuts = await recorded_cuts(connection) if others else {}
            for hospital_id in sorted(others):
                one = await verify_chains(
                    connection, writer=None, hospital_id=hospital_id, known={}, cuts=cuts
                )
                if one.bad is not None:
                    name = f"{hospital_id}/{one.bad.writer} #{one.bad.seq}"
                    found.found("journal", name, one.bad.what, one.bad.detail)


def _now() -> datetime:
    return datetime.now(UTC)


def _keys(paths: Sequence[Path]) -> tuple[PublicKey, ...]:
    return tuple(PublicKey.load(path) for path in paths if path.exists())


def _lent(store: FolderStore) -> Callable[[TraceHeader], AbstractContextManager[Path]]:
    return lambda header: store.opened(TracePlace.of(header))


def _is_of_a_trace(one: Finding, waiting: Collection[str]) -> bool:
    # a trace that waited for its store is in the spool: its gateway ships it when it starts
    return one.place in {"trace", "catalogue"} and not (one.what == "missing" and one.name in waiting)
