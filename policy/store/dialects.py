"""What SQLite and PostgreSQL are asked for differently: an insertion that may meet a row, and a lock on a name."""

import hashlib

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insertion(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT into *table* that can be told what to do on conflict."""
    return postgresql.insert(table) if _is_postgresql(connection) else sqlite.insert(table)


async def hold(connection: AsyncConnection, *names: str) -> None:
    """Wait until no other unit of work holds one of these *names*, and hold them until the end of this one.

    By locks of their own, not those of rows, taken in one order whoever asks, so that two cannot wait for each other.
    """
    if not _is_postgresql(connection):
        return  # BEGIN IMMEDIATE already keeps every other writer out
    for key in sorted({_key(name) for name in names}):
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _is_postgresql(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "postgresql"
