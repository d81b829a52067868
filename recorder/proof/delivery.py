"""Checkpoints delivered where they are remembered: anchors to other machines, copies to the trace store."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from recorder.ports import Now
from recorder.proof.anchors import Anchor
from recorder.proof.checkpoint import digest
from recorder.proof.notary import StoredCheckpoint, stored
from recorder.proof.stamps import Tell
from recorder.store.database import Database
from recorder.store.tables import checkpoint_deliveries
from recorder.trace import instants

FAILED: Final = "alarm.anchor_failed"
_SYSLOG_HEAD: Final = "<110>1 {at} {host} ecluse - anchor - "
"""RFC 5424: facility 13 (log audit), severity informational."""
_PATIENCE = 10.0
_PAGE = 200


class Target(Protocol):
    """A place that remembers checkpoints."""

    @property
    def name(self) -> str:
        """How deliveries to it are called in the database."""

    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Hand one over; blocks. To do it twice is no fault.

        Raises:
            OSError: It could not be handed over.
        """


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """Lines added to a file: on a mount that another machine keeps, or that only lets it grow."""

    path: Path
    name: str = "file"

    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Append the anchor's line, and force it to the platter."""
        del row
        with self.path.open("ab") as file:
            file.write(anchor.to_json() + b"\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class AnchorSyslog:
    """Lines sent to a syslog: ``unix:/dev/log``, ``udp://host:514`` or ``tcp://host:514`` (RFC 5424, RFC 6587)."""

    url: str
    host: str
    name: str = "syslog"

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


class Delivery:
    """Hands each checkpoint to each target, in order, and remembers how far it came.

    Args:
        database: Holds checkpoints and deliveries.
        hospital_id: Whose.
        targets: Where to; what fails at one holds up none of the others.
        tell: Told once of a target that takes nothing.
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
            except OSError as error:
                failed[target.name] = error.strerror or str(error) or type(error).__name__
                if target.name not in self._failing:
                    self._failing.add(target.name)
                    await self._tell(FAILED, {"target": target.name, "why": failed[target.name]})
            else:
                self._failing.discard(target.name)
        return failed

    async def _some(self, target: Target) -> bool:
        table = checkpoint_deliveries.c
        query = select(func.max(table.sequence)).where(
            table.hospital_id == self._hospital_id, table.target == target.name
        )
        async with self._database.read() as connection:
            after = (await connection.execute(query)).scalar() or 0
        rows = await stored(self._database, self._hospital_id, after=after, limit=_PAGE)
        for row in rows:
            anchor = Anchor(self._hospital_id, row.sequence, digest(row.content), instants.text(row.at))
            await asyncio.to_thread(target.deliver, anchor, row)
            await self._remember(target.name, row.sequence)
        return len(rows) == _PAGE

    async def _remember(self, target: str, sequence: int) -> None:
        row = {
            "hospital_id": self._hospital_id,
            "target": target,
            "sequence": sequence,
            "document": "checkpoint",
            "at": self._now(),
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(checkpoint_deliveries), row)
        except IntegrityError:  # another console delivered it too; twice is no fault
            return
