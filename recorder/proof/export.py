"""Everything that proves, as files: what the stand-alone verifier takes (FORMAT.md, section 13)."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Table, and_, select

from recorder.audit.purge import newest
from recorder.proof.checkpoint import Checkpoint
from recorder.proof.notary import StoredCheckpoint, stored
from recorder.seal.signing import PublicKey
from recorder.store.database import Database
from recorder.store.tables import checkpoint_stamps, journal_entries, sessions_closed, sessions_opened
from recorder.trace import instants
from recorder.trace.frames import canonical

CHECKPOINTS: Final = "checkpoints"
JOURNAL: Final = "journal"
JOURNAL_PURGE: Final = "purge.json"
CATALOGUE: Final = "catalogue.jsonl"
KEYS: Final = "keys"
_PAGE = 500


def document_name(sequence: int, suffix: str) -> str:
    """Name of a checkpoint's file: ``0000000042.json``, ``.sig``, ``.AUTHORITY.tsr``."""
    return f"{sequence:010d}{suffix}"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The public keys of the gateways, which sign traces, and of the consoles, which sign checkpoints."""

    gateways: Sequence[PublicKey]
    consoles: Sequence[PublicKey]

    def write(self, folder: Path) -> None:
        """Write them into a new folder, those of each kind apart.

        Raises:
            OSError: It cannot be written.
        """
        for name, keys in (("gateways", self.gateways), ("checkpoints", self.consoles)):
            (folder / name).mkdir(parents=True)
            for key in keys:
                (folder / name / f"{key.key_id}.pub").write_bytes(key.to_pem())


async def export(database: Database, hospital_id: str, folder: Path, keys: PublicKeys) -> None:
    """Write a hospital's checkpoints, its journal up to the newest of them, its catalogue and the public keys.

    Args:
        database: To be read.
        hospital_id: Whose.
        folder: Is made; must not be there.
        keys: Who verifies in earnest has them from elsewhere.

    Raises:
        OSError: The folder cannot be written.
        SQLAlchemyError: The database refuses.
        TraceFormatError: A stored checkpoint cannot be read: verify first.
    """
    folder.mkdir(parents=True)
    for name in (CHECKPOINTS, JOURNAL):
        (folder / name).mkdir()
    keys.write(folder / KEYS)
    reached: dict[str, int] = defaultdict(int)
    after = 0
    while rows := await stored(database, hospital_id, after=after):
        stamps = await stamps_of(database, hospital_id, rows[0].sequence, rows[-1].sequence)
        for row in rows:
            write_checkpoint(folder / CHECKPOINTS, row, stamps.get(row.sequence, {}))
        for day, part in groupby(rows, key=lambda row: row.at.date().isoformat()):
            await _journal(
                database, hospital_id, folder / JOURNAL / f"journal-{day}.log", list(part), reached
            )
        after = rows[-1].sequence
    await write_purge_record(database, hospital_id, folder / JOURNAL)
    await _catalogue(database, hospital_id, folder / CATALOGUE)


def write_checkpoint(folder: Path, row: StoredCheckpoint, stamps: Mapping[str, bytes]) -> None:
    """Write one checkpoint, its signature and its time stamps, in a folder for its year.

    Raises:
        OSError: The folder cannot be written.
    """
    place = folder / f"{row.at.year:04d}"
    place.mkdir(exist_ok=True)
    (place / document_name(row.sequence, ".json")).write_bytes(row.content)
    (place / document_name(row.sequence, ".sig")).write_bytes(row.signature)
    for authority, token in stamps.items():
        (place / document_name(row.sequence, f".{authority}.tsr")).write_bytes(token)


async def stamps_of(
    database: Database, hospital_id: str, first: int, last: int
) -> dict[int, dict[str, bytes]]:
    """The time stamps of the checkpoints from one number to another, by number and authority.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    table = checkpoint_stamps.c
    query = select(table.sequence, table.authority, table.token).where(
        table.hospital_id == hospital_id, table.sequence.between(first, last)
    )
    found: dict[int, dict[str, bytes]] = defaultdict(dict)
    async with database.read() as connection:
        for row in await connection.execute(query):
            found[row.sequence][row.authority] = base64.b64decode(row.token)
    return found


async def _journal(
    database: Database, hospital_id: str, path: Path, part: list[StoredCheckpoint], reached: dict[str, int]
) -> None:
    """Append the entries that these checkpoints are the first to commit to."""
    upto: dict[str, int] = {}
    for row in part:
        upto.update({head.writer: head.seq for head in Checkpoint.from_json(row.content).journal})
    for writer, last in sorted(upto.items()):
        await write_entries(database, hospital_id, path, writer, (reached[writer], last))
        reached[writer] = last


async def write_purge_record(database: Database, hospital_id: str, folder: Path) -> None:
    """Write the newest record of what went of the journal, if anything did: it tells of all that is gone.

    Raises:
        OSError: The folder cannot be written.
        SQLAlchemyError: The database refuses.
    """
    async with database.read() as connection:
        found = await newest(connection, hospital_id)
    if found is not None:
        (folder / JOURNAL_PURGE).write_bytes(found.content)
        (folder / JOURNAL_PURGE).with_suffix(".sig").write_bytes(found.signature)


async def write_entries(
    database: Database, hospital_id: str, path: Path, writer: str, span: tuple[int, int]
) -> None:
    """Append one writer's entries after one number up to another: a digest, a space and the content a line.

    Raises:
        OSError: The file cannot be written.
        SQLAlchemyError: The database refuses.
    """
    after, last = span
    table = journal_entries.c
    query = (
        select(table.digest, table.content)
        .where(table.hospital_id == hospital_id, table.writer == writer)
        .where(table.seq > after, table.seq <= last)
        .order_by(table.seq)
    )
    with path.open("ab") as file:
        async with database.read() as connection:
            async for entry in await connection.stream(query):
                file.write(f"{entry.digest} {entry.content}\n".encode("utf-8", "surrogatepass"))


async def _catalogue(database: Database, hospital_id: str, path: Path) -> None:
    """Write a line a session: its rows as canonical JSON."""
    same = and_(
        sessions_closed.c.hospital_id == sessions_opened.c.hospital_id,
        sessions_closed.c.session_id == sessions_opened.c.session_id,
    )
    ending = [column for column in sessions_closed.c if column.name not in {"hospital_id", "session_id"}]
    after = ""
    with path.open("xb") as file:
        while True:
            query = (
                select(sessions_opened, *ending)
                .select_from(sessions_opened.outerjoin(sessions_closed, same))
                .where(sessions_opened.c.hospital_id == hospital_id, sessions_opened.c.session_id > after)
                .order_by(sessions_opened.c.session_id)
                .limit(_PAGE)
            )
            async with database.read() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            for row in rows:
                file.write(canonical(_line(row)) + b"\n")
            after = rows[-1].session_id


def _line(row: Row[Any]) -> dict[str, Any]:
    opened = {**_columns(row, sessions_opened), "started_at": instants.text(row.started_at)}
    closed: dict[str, Any] | None = None
    if row.closed_at is not None:
        closed = {**_columns(row, sessions_closed), "closed_at": instants.text(row.closed_at)}
    return {"session_id": row.session_id, "opened": opened, "closed": closed}


def _columns(row: Row[Any], table: Table) -> dict[str, Any]:
    return {name: getattr(row, name) for name in table.c.keys() if name not in table.primary_key.columns}  # noqa: SIM118 - a collection of columns is no mapping
