"""Checkpoints delivered where they are remembered: anchors to other machines, copies to the trace store."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import and_, exists, func, insert, select
from sqlalchemy.exc import IntegrityError
from typing_extensions import override

from recorder.errors import RecorderError
from recorder.ports import Now, TraceStore
from recorder.proof.anchors import Anchor
from recorder.proof.checkpoint import digest
from recorder.proof.export import document_name
from recorder.proof.notary import StoredCheckpoint, stored
from recorder.proof.stamps import Tell
from recorder.store.database import Database
from recorder.store.tables import checkpoint_deliveries, checkpoint_stamps, checkpoints
from recorder.trace import instants

FAILED: Final = "alarm.anchor_failed"
CAUGHT_UP: Final = "alarm.anchor_caught_up"
_SYSLOG_HEAD: Final = "<110>1 {at} {host} ecluse - anchor - "
"""RFC 5424: facility 13 (log audit), severity informational."""
CHECKPOINT: Final = ".checkpoint"
"""What deliveries of checkpoints are called; no authority has a dot in its name."""
LATE_AFTER: Final = timedelta(hours=1)
"""How long a checkpoint may wait for a target before that is an alarm: one that restarts has all of it soon after."""
_PATIENCE = 10.0
_PAGE = 200


class Target(ABC):
    """A place that remembers checkpoints. Its methods block; to do a thing twice is no fault."""

    name: str
    """How deliveries to it are called in the database."""

    @abstractmethod
    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Hand a checkpoint over.

        Raises:
            OSError: It could not be handed over.
            StoreUnavailable: The same, of a trace store.
        """

    def stamped(self, sequence: int, at: datetime, authority: str, token: bytes) -> None:
        """Hand over a time stamp of the checkpoint made at an instant; most places have no use for one."""
        del sequence, at, authority, token


class AnchorFile(Target):
    """Lines added to a file: on a mount that another machine keeps, or that only lets it grow."""

    def __init__(self, path: Path, name: str = "file") -> None:
        self.path = path
        self.name = name

    @override
    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Append the anchor's line, and force it to the platter."""
        del row
        with self.path.open("ab") as file:
            file.write(anchor.to_json() + b"\n")
            file.flush()
            os.fsync(file.fileno())


class AnchorSyslog(Target):
    """Lines sent to a syslog: ``unix:/dev/log``, ``udp://host:514`` or ``tcp://host:514`` (RFC 5424, RFC 6587).

    Args:
        url: Where it listens.
        host: How this machine is called in the messages.
    """

    name = "syslog"

    def __init__(self, url: str, host: str) -> None:
        self.url = url
        self.host = host

    @override
    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Send the anchor as one message."""
        head = _SYSLOG_HEAD.format(at=instants.text(row.at), host=self.host)
        message = head.encode() + anchor.to_json()
        place = urlsplit(self.url)
        if place.scheme == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.connect(place.path)
                way.send(message)
        elif place.scheme == "udp":
            family, kind, _, _, address = socket.getaddrinfo(
                place.hostname, place.port or 514, type=socket.SOCK_DGRAM
            )[0]
            with socket.socket(family, kind) as way:
                way.sendto(message, address)
        else:
            with socket.create_connection((place.hostname, place.port or 514), _PATIENCE) as way:
                way.sendall(str(len(message)).encode() + b" " + message)  # octet counting


class StoreCopy(Target):
    """The checkpoints themselves, with signatures and time stamps, in the trace store beside what they vouch for."""

    name = "store"

    def __init__(self, hospital_id: str, store: TraceStore) -> None:
        self._hospital_id = hospital_id
        self._store = store

    @override
    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Keep the checkpoint and its signature."""
        del anchor
        self._keep(row.sequence, row.at, ".json", row.content)
        self._keep(row.sequence, row.at, ".sig", row.signature)

    @override
    def stamped(self, sequence: int, at: datetime, authority: str, token: bytes) -> None:
        """Keep the time stamp."""
        self._keep(sequence, at, f".{authority}.tsr", token)

    def _keep(self, sequence: int, at: datetime, suffix: str, data: bytes) -> None:
        self._store.keep(self._hospital_id, f"{at.year:04d}/{document_name(sequence, suffix)}", data)


class Delivery:
    """Hands each checkpoint to each target, in order, and remembers how far it came.

    Args:
        database: Holds checkpoints and deliveries.
        hospital_id: Whose.
        targets: Where to; what fails at one holds up none of the others.
        tell: Told once of a target that has taken nothing for `LATE_AFTER`.
        now: Wall clock, aware UTC.
    """

    def __init__(
        self, database: Database, hospital_id: str, targets: Sequence[Target], *, tell: Tell, now: Now
    ) -> None:
        self._database = database
        self._hospital_id = hospital_id
        self._targets = targets
        self._tell = tell
        self._now = now
        self._failing: set[str] = set()

    async def deliver(self) -> dict[str, str]:
        """Hand over what is missing; for each target that takes nothing, why.

        Raises:
            SQLAlchemyError: The database refuses.
            JournalBroken: An alarm could not be kept.
        """
        failed: dict[str, str] = {}
        for target in self._targets:
            try:
                while await self._some(target):
                    pass
                await self._stamps(target)
            except (OSError, RecorderError) as error:
                why = (error.strerror if isinstance(error, OSError) else None) or str(error)
                failed[target.name] = why or type(error).__name__
                if target.name not in self._failing and await self._is_late(target):
                    self._failing.add(target.name)
                    await self._tell(FAILED, {"target": target.name, "detail": failed[target.name]})
            else:
                if target.name in self._failing:
                    self._failing.discard(target.name)
                    await self._tell(CAUGHT_UP, {"target": target.name})
        return failed

    async def _is_late(self, target: Target) -> bool:
        """Tell whether the oldest checkpoint that the target lacks waits for too long; where all came, a stamp is missing."""
        waiting = await self._waiting(target, 1)
        return not waiting or self._now() - waiting[0].at >= LATE_AFTER

    async def _waiting(self, target: Target, limit: int) -> Sequence[StoredCheckpoint]:
        table = checkpoint_deliveries.c
        query = select(func.max(table.sequence)).where(
            table.hospital_id == self._hospital_id,
            table.target == target.name,
            table.document == CHECKPOINT,
        )
        async with self._database.read() as connection:
            after = (await connection.execute(query)).scalar() or 0
        return await stored(self._database, self._hospital_id, after=after, limit=limit)

    async def _some(self, target: Target) -> bool:
        rows = await self._waiting(target, _PAGE)
        for row in rows:
            anchor = Anchor(self._hospital_id, row.sequence, digest(row.content), instants.text(row.at))
            await asyncio.to_thread(target.deliver, anchor, row)
            await self._remember(target.name, row.sequence, CHECKPOINT)
        return len(rows) == _PAGE

    async def _stamps(self, target: Target) -> None:
        stamps, done = checkpoint_stamps.c, checkpoint_deliveries.c
        delivered = exists().where(
            done.hospital_id == stamps.hospital_id,
            done.sequence == stamps.sequence,
            done.document == stamps.authority,
            done.target == target.name,
        )
        query = (
            select(stamps.sequence, stamps.authority, stamps.token, checkpoints.c.at)
            .join(
                checkpoints,
                and_(
                    checkpoints.c.hospital_id == stamps.hospital_id, checkpoints.c.sequence == stamps.sequence
                ),
            )
            .where(stamps.hospital_id == self._hospital_id, ~delivered)
            .order_by(stamps.sequence)
            .limit(_PAGE)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        for row in rows:
            token = base64.b64decode(row.token)
            await asyncio.to_thread(target.stamped, row.sequence, row.at, row.authority, token)
            await self._remember(target.name, row.sequence, row.authority)

    async def _remember(self, target: str, sequence: int, document: str) -> None:
        row = {
            "hospital_id": self._hospital_id,
            "target": target,
            "sequence": sequence,
            "document": document,
            "at": self._now(),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(checkpoint_deliveries), row)
        except IntegrityError:  # another console delivered it too; twice is no fault
            return
