"""SQLite's connections: each has a thread, which ends with it, whatever became of the question it was asked."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import time
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiosqlite
from typing_extensions import override

STOP_SECONDS = 1.0
"""How long the threads may take to end; a stuck disk holds up one, and must not hold up everybody."""
_AGAIN_SECONDS = 0.02
_ROWS = 64
"""Rows taken from SQLite's thread at a time, as aiosqlite does."""


def opened(place: Path, database: str, **options: Any) -> sqlite3.Connection:
    """Open *database*, which lies at *place*, with the *options* of ``sqlite3.connect``.

    In a folder that others write into, a link is somebody else's word for which file is read and written: raises
    sqlite3.OperationalError there, also where a link stood for a moment.
    """
    shared = _shared(place.parent)
    if shared and place.is_symlink():
        raise sqlite3.OperationalError(f"{place} is a link, in a folder that others write into: not opened")
    connection: sqlite3.Connection = sqlite3.connect(database, **options)
    if shared and not _is_open(place):
        connection.close()
        raise sqlite3.OperationalError(f"{place} was exchanged while it was opened")
    return connection


def _shared(folder: Path) -> bool:
    status = folder.stat()
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)) or status.st_uid not in {0, os.geteuid()}


def _is_open(place: Path) -> bool:
    """Tell whether this process has the very file at *place* open: SQLite does not say which one it opened."""
    wanted = place.lstat()
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # it was closed meanwhile
            found = os.fstat(int(each.name))
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def into_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Have the database of *connection* in WAL; raises sqlite3.OperationalError where it stays locked for *patience* seconds.

    A new database is changed to it by whoever comes first. SQLite does that from a reader's lock to the only one, for
    which it waits for nobody: two who waited for each other's would wait for ever. So its own patience is no use here.
    """
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # the low byte, the rest says why it is busy
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


class SteadyConnection(aiosqlite.Connection):
    """A connection whose thread is told once to stop.

    A question that is cancelled has its connection closed; cancelled again during that close, it stops the
    connection's thread, and the close would tell a thread that has gone, and wait for its answer for ever.
    A connection closed with a statement half-way stays open inside SQLite, with its lock, until the statement is
    collected: so what it was doing is rolled back first.
    """

    def __init__(self, database: str, options: dict[str, Any], stopping: "set[asyncio.Future[Any]]") -> None:
        """Open *database* with the *options* of ``sqlite3.connect``; note in *stopping* what tells of the end."""
        super().__init__(partial(self._open, database, options), _ROWS)
        self._opened: sqlite3.Connection | None = None
        self._thread.daemon = True  # as SQLAlchemy does with its own: a stuck disk must not keep us alive
        self._stopping = stopping
        self._stopped: asyncio.Future[Any] | None = None

    def _open(self, database: str, options: dict[str, Any]) -> sqlite3.Connection:
        self._opened = opened(Path(database), database, isolation_level=None, **options)
        into_wal(self._opened, options.get("timeout", 0.0))
        # in WAL, FULL is what has a commit on the platter when it returns
        self._opened.executescript("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON")
        return self._opened

    def _give_up(self) -> None:
        opened = self._opened
        if opened is not None:
            # closed already where close came before stop
            with contextlib.suppress(sqlite3.ProgrammingError):
                opened.rollback()
                opened.close()

    @override
    async def close(self) -> None:
        """Give up what the connection is doing, and close it."""
        if self._running:
            self._tx.put_nowait((None, self._give_up))
        await super().close()

    @override
    def stop(self) -> "asyncio.Future[Any] | None":
        """Close the database and end the thread after what it is doing; give what tells that it ended."""
        if self._stopped is None:
            self._tx.put_nowait((None, self._give_up))
            self._stopped = super().stop()
            if self._stopped is not None:
                self._stopping.add(self._stopped)
                self._stopped.add_done_callback(self._stopping.discard)
        return self._stopped


class Connections:
    """Makes the connections of one engine, and knows which of them are open and which threads have yet to end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._stopping: set[asyncio.Future[Any]] = set()
        self._made: WeakSet[SteadyConnection] = WeakSet()

    def make(self, database: str | Path, **options: Any) -> SteadyConnection:
        """Return a connection to *database*, not yet open; *options* are those of ``sqlite3.connect``.

        Once open it is in WAL, synced at each commit, holds to foreign keys, and begins no transaction by itself.
        """
        made = SteadyConnection(str(database), options, self._stopping)
        self._made.add(made)
        return made

    async def gone(self) -> None:
        """Close what is still open, and wait until the threads have ended, for STOP_SECONDS at most.

        For after the engine's disposal: a connection that was out at that moment comes back to a pool that is no more.
        """
        for each in tuple(self._made):
            each.stop()
        if self._stopping:
            await asyncio.wait(set(self._stopping), timeout=STOP_SECONDS)
