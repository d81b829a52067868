"""SQLite's connection, which survives being given up on more than once."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from typing_extensions import override

_ROWS = 64
"""Rows taken from SQLite's thread at a time, as aiosqlite does."""


class SteadyConnection(aiosqlite.Connection):
    """A connection whose thread is told once to stop.

    A question that is cancelled has its connection closed; cancelled again during that close, it stops the
    connection's thread, and the close would tell a thread that has gone, and wait for its answer for ever.
    """

    _stopping: "asyncio.Future[Any] | None" = None

    @override
    def stop(self) -> "asyncio.Future[Any] | None":
        """Close the database and end the thread after what it is doing; give what tells that it ended."""
        if self._stopping is None:
            self._stopping = super().stop()
        return self._stopping


def connection(database: str | Path, **options: Any) -> SteadyConnection:
    """Return a connection to *database*, not yet open; *options* are those of ``sqlite3.connect``."""
    made = SteadyConnection(partial(sqlite3.connect, str(database), **options), _ROWS)
    made._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does with its own: a stuck disk must not keep us alive
    return made
