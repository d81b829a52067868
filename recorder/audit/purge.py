"""The journal's purge record: which entries at the front of the chains went by rule, signed (FORMAT.md, section 15).

The newest one tells of everything that is gone, so that it alone is needed: the entry that told of an older one may be
gone itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal.signing import PublicKey
from recorder.store.database import Database
from recorder.store.tables import checkpoints, journal_purges
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

FORMAT: Final = "ecluse-journal-purge"
VERSION: Final = 1
PURGED: Final = "journal.purged"
"""The journal's entry that tells of a record: number and digest. A record of which none tells excuses nothing."""
LEAST: Final = timedelta(days=365)
"""What went must have been known to a checkpoint for so long when the record was made, whatever the rule says."""

Cuts = Mapping[str, tuple[int, str]]
"""For each chain, ``hospital/writer``, the number and digest of the last entry that is gone."""


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """Where one chain begins now: after this entry, which the checkpoint of number ``checkpoint`` committed to."""

    writer: str
    seq: int
    digest: str
    checkpoint: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPurge:
    """What is gone of one hospital's journal.

    Attributes:
        number: 1 for the first, then one more each.
        purged_at: When it was made, aware UTC.
        rule: The rule, in words.
        chains: Where each chain that lost entries begins now, those of earlier purges among them.
        signer: Identifier of the key that signs: the one that signs checkpoints.
    """

    hospital_id: str
    number: int
    purged_at: datetime
    rule: str
    chains: tuple[Cut, ...]
    signer: str

    @property
    def cuts(self) -> dict[str, tuple[int, str]]:
        """The chains, as they are walked."""
        return {f"{self.hospital_id}/{one.writer}": (one.seq, one.digest) for one in self.chains}

    def to_json(self) -> bytes:
        """The record as stored and signed: canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "version": VERSION,
                "hospital_id": self.hospital_id,
                "number": self.number,
                "purged_at": instants.text(self.purged_at),
                "rule": self.rule,
                "chains": [
                    {
                        "writer": one.writer,
                        "seq": one.seq,
                        "digest": one.digest,
                        "checkpoint": one.checkpoint,
                    }
                    for one in sorted(self.chains)
                ],
                "signer": self.signer,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> JournalPurge:
        """The record that `to_json` wrote.

        Raises:
            TraceFormatError: It is something else, or of another version.
        """
        content: dict[str, Any] = parse_object(data, "journal purge record")
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise TraceFormatError("this is no journal purge record of a version that this program reads")
        try:
            return cls(
                hospital_id=str(content["hospital_id"]),
                number=int(content["number"]),
                purged_at=instants.parse(content["purged_at"]),
                rule=str(content["rule"]),
                chains=tuple(
                    Cut(str(one["writer"]), int(one["seq"]), str(one["digest"]), int(one["checkpoint"]))
                    for one in content["chains"]
                ),
                signer=str(content["signer"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TraceFormatError(f"this is no journal purge record: {error}") from error


@dataclass(frozen=True, slots=True)
class StoredPurge:
    """A record's row, unverified."""

    number: int
    made_at: datetime
    content: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """What the journal's entry tells."""
        return hashlib.sha256(self.content).hexdigest()

    def read(self, hospital_id: str, keys: Sequence[PublicKey]) -> JournalPurge:
        """The record, if one of the keys signed it for that hospital.

        Raises:
            SignatureInvalid: None did.
            TraceFormatError: It is another hospital's, or none at all.
        """
        made = JournalPurge.from_json(self.content)
        key = next((one for one in keys if one.key_id == made.signer), None)
        if key is None:
            raise SignatureInvalid(f"key {made.signer[:16] or '?'}, which signed it, is not known here")
        key.verify(self.signature, self.content)
        if (made.hospital_id, made.number) != (hospital_id, self.number):
            raise TraceFormatError("it was made for another place")
        return made


async def newest(connection: AsyncConnection, hospital_id: str) -> StoredPurge | None:
    """The hospital's newest record, None where nothing was ever purged.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    table = journal_purges.c
    query = (
        select(table.number, table.made_at, table.content, table.signature)
        .where(table.hospital_id == hospital_id)
        .order_by(table.number.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    try:
        signature = bytes.fromhex(row.signature)
    except ValueError:
        signature = b""
    return StoredPurge(row.number, row.made_at, row.content.encode("utf-8", "surrogatepass"), signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What a hospital's journal lost by rule, as far as its newest record tells.

    Attributes:
        number: Of the record.
        digest: Of the record's content, in hexadecimal.
        purged_at: When the record was made, aware UTC.
        rule: The rule, in words.
        before: What went was known to a checkpoint at or before this aware instant.
    """

    number: int
    digest: str
    purged_at: datetime
    rule: str
    before: datetime


async def gone(database: Database, hospital_id: str, keys: Sequence[PublicKey]) -> Gone | None:
    """What the newest record tells, if one of the keys signed it; None where there is no such record.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    async with database.read() as connection:
        found = await _signed(connection, hospital_id, keys)
        if found is None:
            return None
        row, made = found
        last = max((one.checkpoint for one in made.chains), default=0)
        table = checkpoints.c
        at = select(table.at).where(table.hospital_id == hospital_id, table.sequence == last)
        before: datetime | None = (await connection.execute(at)).scalar()
    if before is None:
        return None
    return Gone(
        number=made.number, digest=row.digest, purged_at=made.purged_at, rule=made.rule, before=before
    )


async def signed_cuts(
    connection: AsyncConnection, hospital_id: str, keys: Sequence[PublicKey]
) -> dict[str, tuple[int, str]]:
    """Where each chain begins, by writer, as the newest record says, if one of the keys signed it; else nowhere.

    Enough for who watches the journal; who verifies it looks further (`recorder.proof.cuts`).

    Raises:
        SQLAlchemyError: The database refuses.
    """
    found = await _signed(connection, hospital_id, keys)
    return {} if found is None else {one.writer: (one.seq, one.digest) for one in found[1].chains}


async def _signed(
    connection: AsyncConnection, hospital_id: str, keys: Sequence[PublicKey]
) -> tuple[StoredPurge, JournalPurge] | None:
    """The newest record, stored and read, if one of the keys signed it."""
    row = await newest(connection, hospital_id)
    try:
        return None if row is None else (row, row.read(hospital_id, keys))
    except (SignatureInvalid, TraceFormatError):
        return None


async def recorded_cuts(connection: AsyncConnection) -> dict[str, tuple[int, str]]:
    """Where the chains of every hospital begin, as the newest records say, whoever signed them: to copy, or where nobody here knows who may sign.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    hospitals = select(journal_purges.c.hospital_id).distinct()
    found: dict[str, tuple[int, str]] = {}
    for hospital_id in (await connection.execute(hospitals)).scalars().all():
        row = await newest(connection, hospital_id)
        if row is not None:
            found.update(JournalPurge.from_json(row.content).cuts)
    return found
