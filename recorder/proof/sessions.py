"""Every session of a hospital held to its checkpoints: catalogue rows, traces, what never came, what was put in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Row, Table, exists, func, select

from recorder.errors import RecorderError, TraceNotFound
from recorder.proof.checkpoint import Checkpoint, Fact
from recorder.proof.inspection import Inspection, Progress
from recorder.proof.ledger import CLOCK_TOLERANCE, Ledger
from recorder.regular import regular
from recorder.replay.reader import Verification, read_manifest, verify
from recorder.seal.signing import PublicKey
from recorder.seal.wrapping import read_wraps
from recorder.store.database import Database
from recorder.store.headers import told_by
from recorder.store.tables import checkpoint_facts, sessions_closed, sessions_opened
from recorder.trace import instants
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest
from recorder.trace.place import MAX_DOCUMENT
from recorder.trace.purge import PURGE

_T = TypeVar("_T")
ARRIVAL: Final = timedelta(minutes=15)
"""How long after its end a trace may be on its way to the store."""
LONGEST_SESSION: Final = timedelta(days=1)
"""How long a session may be open before it is called one whose trace never came."""
_BATCH: Final = 500

Fetch = Callable[[TraceHeader], AbstractContextManager[Path]]
"""Gives a folder with the files of a closed trace for a while; raises TraceNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where traces are, and by whose keys they are judged.

    Attributes:
        fetch: Gives one trace.
        stored: Identifiers of every trace in the store.
        keys: Public keys of the gateways.
        consoles: Public keys that sign checkpoints, purges, and wraps made later.
        live_nodes: Gateways known to live.
        now: The instant of the inspection, aware UTC.
        executor: Its threads read the traces; None: those that every other work has.
    """

    fetch: Fetch
    stored: Sequence[str]
    keys: Sequence[PublicKey]
    consoles: Sequence[PublicKey]
    live_nodes: Collection[str]
    now: datetime
    executor: Executor | None = None


async def verify_sessions(
    database: Database,
    hospital_id: str,
    ledger: Ledger,
    shelf: Shelf,
    inspection: Inspection,
    *,
    journalled: Collection[str] = (),
    progress: Progress | None = None,
) -> None:
    """Hold every session to what the checkpoints commit to, and those after the newest one to the catalogue.

    Args:
        database: Holds the catalogue.
        hospital_id: Whose sessions.
        ledger: Its checkpoints, walked.
        shelf: Its traces.
        inspection: Told of what is found.
        journalled: Sessions that the journal says were opened.
        progress: Told after each trace.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    walk = _Walk(database, hospital_id, shelf, inspection, progress)
    walk.in_all = await walk.count(sessions_closed)
    async for checkpoint in ledger.checkpoints():
        await walk.opened(checkpoint.opened, checkpoint)
        await walk.closed(checkpoint.closed, checkpoint)
        await walk.purged(checkpoint.purged)
    await walk.uncovered()
    await walk.unended()
    await walk.strangers(journalled)


class _Walk:
    def __init__(
        self,
        database: Database,
        hospital_id: str,
        shelf: Shelf,
        inspection: Inspection,
        progress: Progress | None,
    ) -> None:
        self._database, self._hospital_id, self._shelf = database, hospital_id, shelf
        self._inspection, self._progress = inspection, progress
        self._keys = {key.key_id: key for key in shelf.keys}
        self.in_all = 0

    async def count(self, table: Table) -> int:
        query = select(func.count()).select_from(table).where(table.c.hospital_id == self._hospital_id)
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar() or 0)

    async def opened(self, facts: Sequence[Fact], checkpoint: Checkpoint | None) -> None:
        """Hold the rows of sessions opened to their digests, and their columns to their headers."""
        rows = await self._rows(sessions_opened, [fact.session_id for fact in facts])
        for fact in facts:
            row = rows.get(fact.session_id)
            if row is None:
                detail = "the catalogue does not hold it any more, and a checkpoint tells that it was opened"
                self._inspection.found("catalogue", fact.session_id, "missing", detail)
                continue
            self._check_opened(row, fact)
            self._check_date(row.session_id, row.started_at, checkpoint, "opened")
        self._inspection.counts["sessions"] += len(facts)

    async def closed(self, facts: Sequence[Fact], checkpoint: Checkpoint | None) -> None:
        """Hold the rows of sessions closed to their digests, and their traces to both."""
        names = [fact.session_id for fact in facts]
        rows, headers = await self._rows(sessions_closed, names), await self._rows(sessions_opened, names)
        for fact in facts:
            row = rows.get(fact.session_id)
            if row is None:
                detail = "the catalogue does not tell its end any more, and a checkpoint does"
                self._inspection.found("catalogue", fact.session_id, "missing", detail)
            elif row.manifest_sha256 != fact.sha256:
                detail = "the catalogue tells of another trace than the checkpoint"
                self._inspection.found("catalogue", fact.session_id, "changed", detail)
            else:
                self._check_date(row.session_id, row.closed_at, checkpoint, "closed")
            if (opened := headers.get(fact.session_id)) is not None:
                await self._trace(opened, row, fact.sha256)

    async def purged(self, facts: Sequence[Fact]) -> None:
        """Hold the stubs of purged traces to the digests of their records."""
        rows = await self._rows(sessions_opened, [fact.session_id for fact in facts])
        for fact in facts:
            row = rows.get(fact.session_id)
            if row is None:
                continue  # named already: it was opened by an earlier checkpoint
            try:
                found = await self._apart(self._purge_digest, told_by(row).header)
            except (RecorderError, OSError):
                found = None
            if found != fact.sha256:
                detail = "its purge record is not the one that a checkpoint commits to"
                self._inspection.found("trace", fact.session_id, "purge", detail)

    def _purge_digest(self, header: TraceHeader) -> str | None:
        with self._shelf.fetch(header) as folder:
            path = folder / PURGE
            if not path.exists():
                return None
            with regular(path) as file:
                # as much as the largest has: whoever writes into the store chooses its size
                return hashlib.sha256(file.read(MAX_DOCUMENT)).hexdigest()

    async def uncovered(self) -> None:
        """Look at what came after the newest checkpoint: it is held to the catalogue alone."""
        for table, kind, look in (
            (sessions_opened, "opened", self.opened),
            (sessions_closed, "closed", self.closed),
        ):
            before = 0
            async for rows in self._pages(table, kind):
                facts = [Fact(row.session_id, _committed(row, kind)) for row in rows]
                await look(facts, None)
                before += len(facts)
            self._inspection.counts[f"{kind}_uncovered"] = before

    async def unended(self) -> None:
        """Name each session that was opened long ago, or by a gateway that is gone, and whose trace never came."""
        closed = exists().where(
            sessions_closed.c.hospital_id == sessions_opened.c.hospital_id,
            sessions_closed.c.session_id == sessions_opened.c.session_id,
        )
        query = select(sessions_opened).where(sessions_opened.c.hospital_id == self._hospital_id, ~closed)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            age = self._shelf.now - row.started_at
            if age > (LONGEST_SESSION if row.node in self._shelf.live_nodes else ARRIVAL):
                detail = f"it was opened at {instants.text(row.started_at)} by {row.node}, and its trace never came"
                self._inspection.remark("trace", row.session_id, "never_came", detail)
        self._inspection.counts["unended"] = len(rows)

    async def strangers(self, journalled: Collection[str]) -> None:
        """Name each trace in the store, and each session of the journal, that the catalogue does not know."""
        stored, told = sorted(self._shelf.stored), sorted(journalled)
        for start in range(0, len(stored), _BATCH):
            part = stored[start : start + _BATCH]
            rows = await self._rows(sessions_closed, part)
            for name in part:
                if name not in rows:
                    detail = "the store holds it, and the catalogue does not know it"
                    self._inspection.found("trace", name, "stranger", detail)
        for start in range(0, len(told), _BATCH):
            part = told[start : start + _BATCH]
            rows = await self._rows(sessions_opened, part)
            for name in part:
                if name not in rows:
                    detail = "the journal tells that it was opened, and the catalogue does not know it"
                    self._inspection.found("catalogue", name, "missing", detail)

    async def _rows(self, table: Table, names: Sequence[str]) -> dict[str, Row[Any]]:
        found: dict[str, Row[Any]] = {}
        for start in range(0, len(names), _BATCH):
            query = select(table).where(
                table.c.hospital_id == self._hospital_id,
                table.c.session_id.in_(names[start : start + _BATCH]),
            )
            async with self._database.read() as connection:
                found.update({row.session_id: row for row in await connection.execute(query)})
        return found

    async def _pages(self, table: Table, kind: str) -> AsyncIterator[Sequence[Row[Any]]]:
        covered = exists().where(
            checkpoint_facts.c.hospital_id == table.c.hospital_id,
            checkpoint_facts.c.session_id == table.c.session_id,
            checkpoint_facts.c.fact == kind,
        )
        after = ""
        while True:
            query = (
                select(table)
                .where(table.c.hospital_id == self._hospital_id, ~covered, table.c.session_id > after)
                .order_by(table.c.session_id)
                .limit(_BATCH)
            )
            async with self._database.read() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            yield rows
            after = rows[-1].session_id

    def _check_opened(self, row: Row[Any], fact: Fact) -> None:
        if _committed(row, "opened") != fact.sha256:
            detail = "what the catalogue tells of its opening is not what the checkpoint commits to"
            self._inspection.found("catalogue", row.session_id, "changed", detail)
            return
        told = told_by(row)
        if told.altered is not None:
            what = "column" if told.column else "format"
            self._inspection.found("catalogue", row.session_id, what, told.altered)

    def _compare(self, row: Row[Any], told: Mapping[str, object]) -> None:
        for name, value in told.items():
            if getattr(row, name) != value:
                detail = f"its column {name} is not what was written"
                self._inspection.found("catalogue", row.session_id, "column", detail)
                return

    def _check_date(self, name: str, at: datetime, checkpoint: Checkpoint | None, what: str) -> None:
        if checkpoint is not None and at - checkpoint.at > CLOCK_TOLERANCE:
            detail = (
                f"it says that it was {what} at {instants.text(at)}, and checkpoint {checkpoint.sequence} of "
                f"{instants.text(checkpoint.at)} knows it: a clock went wrong"
            )
            self._inspection.remark("clock", name, "ahead", detail)

    async def _apart(self, work: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._shelf.executor, work, *arguments)

    async def _trace(self, opened: Row[Any], closed: Row[Any] | None, manifest_sha256: str) -> None:
        name = opened.session_id
        told = told_by(opened)
        try:
            found = await self._apart(self._verify, told.header, manifest_sha256)
        except TraceNotFound:
            fresh = closed is not None and self._shelf.now - closed.closed_at < ARRIVAL
            if not fresh:
                detail = "its trace is not in the store: it was taken away, or is still with its gateway"
                self._inspection.found("trace", name, "missing", detail)
            return
        except RecorderError as error:
            self._inspection.found("trace", name, "format", str(error))
            return
        self._inspection.counts["traces"] += 1
        self._inspection.counts["records"] += found.records
        self._inspection.counts["purged"] += found.purge is not None
        if found.problem is not None:
            problem = found.problem
            self._inspection.found("trace", name, problem.what, problem.detail, problem.record)
        elif found.manifest is not None and closed is not None:
            self._compare(closed, _columns(found.manifest))
            if told.altered is None and found.header is not None and found.header != told.header:
                detail = "the catalogue tells another header than its trace has"
                self._inspection.found("catalogue", name, "changed", detail)
        if self._progress is not None:
            done = self._inspection.counts["traces"]
            self._progress("traces", done, max(done, self.in_all))

    def _verify(self, header: TraceHeader, manifest_sha256: str) -> Verification:
        with self._shelf.fetch(header) as folder:
            try:
                signer = read_manifest(folder).signer
            except RecorderError:
                signer = ""
            # a signer that nobody knows is judged by a key that is known, and fails
            key = self._keys.get(signer) or self._shelf.keys[0]
            found = verify(folder, key, manifest_sha256=manifest_sha256, consoles=self._shelf.consoles)
            if found.intact and found.header is not None and found.header.sealing and not read_wraps(folder):
                detail = "every wrap was destroyed: nobody can read it, and no record says by whose decision"
                self._inspection.remark("trace", header.session_id, "erased", detail)
            return found


def _committed(row: Row[Any], kind: str) -> str:
    if kind == "opened":
        return hashlib.sha256(row.header.encode("utf-8", "surrogatepass")).hexdigest()
    found: str = row.manifest_sha256
    return found


def _columns(manifest: Manifest) -> dict[str, object]:
    return {
        "closed_at": manifest.closed_at,
        "end_reason": manifest.end_reason,
        "interrupted": manifest.interrupted,
        "records": manifest.records,
        "size": manifest.size,
        "trimmed_bytes": manifest.trimmed_bytes,
        "signer": manifest.signer,
    }
