"""The notary: makes a hospital's checkpoints, one chain however many consoles there are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CTE, Column, Row, Table, and_, exists, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.audit.purge import signed_cuts
from recorder.ports import Now
from recorder.proof.checkpoint import GENESIS, Checkpoint, Fact, Head, digest
from recorder.seal.signing import PublicKey, SigningKey
from recorder.store.database import Database
from recorder.store.tables import (
    checkpoint_facts,
    checkpoint_heads,
    checkpoints,
    journal_entries,
    sessions_closed,
    sessions_opened,
    sessions_purged,
)

MAX_FACTS: Final = 1000
"""Facts of one kind in one checkpoint: what is more goes into the next, made at once."""
MADE: Final = "checkpoint.made"
"""The journal's entry about a checkpoint, which alone is no reason to make another."""
IDLE: Final = timedelta(days=1)
"""How old the newest checkpoint grows where nothing happens: longer silence means that somebody stopped them."""
_TRIES: Final = 5
_LONGEST: Final = timedelta(days=32)
"""Sessions older than this are looked for by a sweep over all of them, once a day; younger ones at each look."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as stored: its bytes, and their Ed25519 signature."""

    checkpoint: Checkpoint
    content: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """What anchors and the next checkpoint carry."""
        return digest(self.content)


class Notary:
    """Looks at journal and catalogue, and commits to what is new in them.

    Args:
        database: Holds journal, catalogue and checkpoints; migrated.
        key: Signs; the console's side has it, no gateway does.
        hospital_id: Whose chain.
        node: Name of this process, such as ``node1-console``.
        now: Wall clock, aware UTC.
    """

    def __init__(self, database: Database, key: SigningKey, *, hospital_id: str, node: str, now: Now) -> None:
        self._database = database
        self._key = key
        self._hospital_id = hospital_id
        self._node = node
        self._now = now
        self._swept: datetime | None = None

    @property
    def key(self) -> SigningKey:
        """Signs what the console vouches for."""
        return self._key

    async def make(self, *, force: bool = False) -> list[SignedCheckpoint]:
        """Make what checkpoints are due; none where nothing happened for less than `IDLE`.

        Another console that makes one at the same moment is no failure: both go on from what is there.

        Args:
            force: Make one even where nothing happened.

        Raises:
            SQLAlchemyError: The database refuses.
            TraceFormatError: A row of journal or catalogue cannot be committed to.
        """
        made: list[SignedCheckpoint] = []
        lost = 0
        began = self._now()
        sweeps = self._swept is None or not timedelta() <= began - self._swept < IDLE
        since = None if sweeps else began - _LONGEST
        while True:
            due = await self._next(since, force=force and not made)
            if due is None:
                self._swept = began if sweeps else self._swept
                return made
            try:
                await self._keep(due)
            except IntegrityError:  # another console was faster: look again at what is left to do
                lost += 1
                if lost == _TRIES:
                    raise
                continue
            made.append(due)

    async def shrunk(self, keys: Sequence[PublicKey]) -> list[Head]:
        """Heads that a checkpoint committed to and the journal does not reach any more: entries were taken away.

        Chains that went whole by rule, as a record says that one of the *keys* signed, are none of them.

        Raises:
            SQLAlchemyError: The database refuses.
        """
        async with self._database.read() as connection:
            writers = _writers(checkpoint_heads, self._hospital_id)
            reached = _highest(journal_entries, self._hospital_id, writers)
            known = _highest(checkpoint_heads, self._hospital_id, writers)
            query = (
                select(checkpoint_heads.c.writer, checkpoint_heads.c.seq, checkpoint_heads.c.digest)
                .join(
                    writers,
                    and_(checkpoint_heads.c.writer == writers.c.writer, checkpoint_heads.c.seq == known),
                )
                .where(checkpoint_heads.c.hospital_id == self._hospital_id)
                .where(func.coalesce(reached, 0) < known)
            )
            found = [Head(row.writer, row.seq, row.digest) for row in await connection.execute(query)]
            gone = await signed_cuts(connection, self._hospital_id, keys) if found else {}
        return [head for head in found if gone.get(head.writer) != (head.seq, head.digest)]

    async def _next(self, since: datetime | None, *, force: bool) -> SignedCheckpoint | None:
        async with self._database.read() as connection:
            last = await _last(connection, self._hospital_id)
            heads, happened = await self._moved(connection)
            opened = await self._new(connection, sessions_opened.c.started_at, "opened", since)
            closed = await self._new(connection, sessions_closed.c.closed_at, "closed", since)
            purged = await self._new(connection, sessions_purged.c.purged_at, "purged", since)
        at = self._now()
        idle = last is None or at - last.at >= IDLE
        if not (force or happened or opened or closed or purged or idle):
            return None
        before = Checkpoint.from_json(last.content.encode()) if last is not None else None
        totals = dict(before.totals) if before is not None else {}
        for name, count in (
            ("entries", sum(head.seq - known for head, known in heads)),
            ("opened", len(opened)),
            ("closed", len(closed)),
            ("purged", len(purged)),
        ):
            totals[name] = totals.get(name, 0) + count
        made = Checkpoint(
            hospital_id=self._hospital_id,
            sequence=last.sequence + 1 if last is not None else 1,
            previous=digest(last.content.encode()) if last is not None else GENESIS,
            at=at,
            node=self._node,
            signer=self._key.public.key_id,
            journal=tuple(head for head, _ in heads),
            opened=opened,
            closed=closed,
            purged=purged,
            totals=totals,
        )
        content = made.to_json()
        return SignedCheckpoint(made, content, self._key.sign(content))

    async def _moved(self, connection: AsyncConnection) -> tuple[list[tuple[Head, int]], bool]:
        """Heads that moved, each with the number known before; and whether by more than notes on checkpoints."""
        table, hospital_id = journal_entries, self._hospital_id
        writers = _writers(table, hospital_id)
        reached = _highest(table, hospital_id, writers)
        known = func.coalesce(_highest(checkpoint_heads, hospital_id, writers), 0)
        query = (
            select(table.c.writer, table.c.seq, table.c.digest, known.label("known"))
            .join(writers, and_(table.c.writer == writers.c.writer, table.c.seq == reached))
            .where(table.c.hospital_id == hospital_id, table.c.seq > known)
        )
        found = (await connection.execute(query)).all()
        heads = [(Head(row.writer, row.seq, row.digest), row.known) for row in found]
        for head, before in heads:
            told = select(
                exists().where(
                    table.c.hospital_id == hospital_id,
                    table.c.writer == head.writer,
                    table.c.seq > before,
                    table.c.name != MADE,
                )
            )
            if (await connection.execute(told)).scalar():
                return heads, True
        return heads, False

    async def _new(
        self, connection: AsyncConnection, at: Column[Any], kind: str, since: datetime | None
    ) -> tuple[Fact, ...]:
        table, facts = at.table, checkpoint_facts.c
        covered = exists().where(
            facts.hospital_id == table.c.hospital_id,
            facts.session_id == table.c.session_id,
            facts.fact == kind,
        )
        query = (
            select(table)
            .where(table.c.hospital_id == self._hospital_id, ~covered)
            .order_by(table.c.session_id)
            .limit(MAX_FACTS)
        )
        if since is not None:
            query = query.where(at >= since)
        return tuple(Fact(row.session_id, _committed(row, kind)) for row in await connection.execute(query))

    async def _keep(self, due: SignedCheckpoint) -> None:
        made, hospital_id = due.checkpoint, self._hospital_id
        covered = [
            {
                "hospital_id": hospital_id,
                "session_id": fact.session_id,
                "fact": kind,
                "sequence": made.sequence,
            }
            for kind in ("opened", "closed", "purged")
            for fact in made.facts(kind)
        ]
        heads = [
            {
                "hospital_id": hospital_id,
                "writer": head.writer,
                "seq": head.seq,
                "digest": head.digest,
                "sequence": made.sequence,
            }
            for head in made.journal
        ]
        async with self._database.write() as connection:
            row = {
                "hospital_id": hospital_id,
                "sequence": made.sequence,
                "at": made.at,
                "content": due.content.decode(),
                "digest": due.digest,
                "signature": due.signature.hex(),
                "signer": made.signer,
            }
            await connection.execute(insert(checkpoints), row)
            await _insert_all(connection, checkpoint_facts, covered)
            await _insert_all(connection, checkpoint_heads, heads)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint's row, unverified."""

    sequence: int
    at: datetime
    content: bytes
    signature: bytes


async def stored(
    database: Database, hospital_id: str, *, after: int = 0, limit: int = 500
) -> list[StoredCheckpoint]:
    """The checkpoints after one of that number, in order, at most ``limit``.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    table = checkpoints.c
    query = (
        select(table.sequence, table.at, table.content, table.signature)
        .where(table.hospital_id == hospital_id, table.sequence > after)
        .order_by(table.sequence)
        .limit(limit)
    )
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return [
        StoredCheckpoint(row.sequence, row.at, _bytes(row.content), _unhex(row.signature)) for row in rows
    ]


async def newest_at(database: Database, hospital_id: str) -> datetime | None:
    """When the newest checkpoint was made, None where there is none.

    Raises:
        SQLAlchemyError: The database refuses.
    """
    async with database.read() as connection:
        found = await _last(connection, hospital_id)
    at: datetime | None = None if found is None else found.at
    return at


def _committed(row: Row[Any], kind: str) -> str:
    if kind == "opened":
        return hashlib.sha256(_bytes(row.header)).hexdigest()
    found: str = row.manifest_sha256 if kind == "closed" else row.purge_sha256
    return found


def _writers(table: Table, hospital_id: str) -> CTE:
    """The writers of one hospital, found by hops over the primary key: nobody counts a million entries."""
    first = (
        select(func.min(table.c.writer).label("writer"))
        .where(table.c.hospital_id == hospital_id)
        .cte(f"{table.name}_writers", recursive=True)
    )
    following = (
        select(func.min(table.c.writer))
        .where(table.c.hospital_id == hospital_id, table.c.writer > first.c.writer)
        .scalar_subquery()
    )
    return first.union_all(select(following).where(first.c.writer.is_not(None)))


def _highest(table: Table, hospital_id: str, writers: CTE) -> Any:
    one = table.alias(f"highest_{table.name}")
    return (
        select(func.max(one.c.seq))
        .where(one.c.hospital_id == hospital_id, one.c.writer == writers.c.writer)
        .scalar_subquery()
    )


async def _last(connection: AsyncConnection, hospital_id: str) -> Any:
    table = checkpoints.c
    query = (
        select(table.sequence, table.at, table.content)
        .where(table.hospital_id == hospital_id)
        .order_by(table.sequence.desc())
        .limit(1)
    )
    found = (await connection.execute(query)).all()
    return found[0] if found else None


async def _insert_all(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(table), list(rows))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
