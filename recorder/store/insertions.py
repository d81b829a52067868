"""Rows on their way into the catalogue: all that come while one transaction is under way travel in the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from embedded.batches import Batches
from recorder.store.database import Database

Row = Mapping[str, Any]


class Insertions:
    """One a catalogue.

    Args:
        database: Holds the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches = Batches(self._write)

    async def add(self, table: Table, row: Row) -> None:
        """Insert the row unless its key is there; it is on the platter when this returns.

        Args:
            table: Where.
            row: Every column of it.

        Raises:
            SQLAlchemyError: The database refuses this row or one that travelled with it; ask again.
        """
        await self._batches.add((table, row))

    async def _write(self, batch: Sequence[tuple[Table, Row]]) -> None:
        rows: dict[Table, list[Row]] = {}
        for table, row in batch:
            rows.setdefault(table, []).append(row)
        async with self._database.write() as connection:
            for table, several in rows.items():
                await _insert_once(connection, table, several)


async def _insert_once(connection: AsyncConnection, table: Table, rows: list[Row]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(insert(table).on_conflict_do_nothing(), rows)
