"""Rows on their way into the catalogue: all that come while one transaction is under way travel in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.store.database import Database

AT_ONCE = 500
"""Rows that travel in one transaction: a thousand sessions may end together, and SQLite has one writer."""

Row = Mapping[str, Any]


class Insertions:
    """One a catalogue.

    Args:
        database: Holds the tables.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Table, Row, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, table: Table, row: Row) -> None:
        """Insert the row unless its key is there; it is on the platter when this returns.

        Args:
            table: Where.
            row: Every column of it.

        Raises:
            SQLAlchemyError: The database refuses this row or one that travelled with it; ask again.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((table, row, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            error: Exception | None = None
            try:
                await self._write(batch)
            except Exception as raised:
                error = raised
            for _, _, done in batch:
                if done.done():  # its caller was cancelled; what is written stands all the same
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _write(self, batch: list[tuple[Table, Row, asyncio.Future[None]]]) -> None:
        rows: dict[Table, list[Row]] = {}
        for table, row, _ in batch:
            rows.setdefault(table, []).append(row)
        async with self._database.write() as connection:
            for table, several in rows.items():
                await _insert_once(connection, table, several)


async def _insert_once(connection: AsyncConnection, table: Table, rows: list[Row]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(insert(table).on_conflict_do_nothing(), rows)
