"""The search's index: one SQLite file with FTS5 a hospital, readable by its owner alone, that can always be made anew.

It holds what was on screens. It is the console's: no other process needs it, so it is no table of the catalogue's
database, on which the gateway has rights and of which backups are made. Every method blocks: call it on a thread.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from embedded.sqlite import into_wal
from recorder.errors import IndexUnavailable, TraceFormatError
from recorder.replay.neutral import neutralise
from recorder.search.hits import MAX_HITS, Hits, Search, hit_of, instant, statement, tag, ticks
from recorder.search.rendering import Rendered, State
from recorder.trace.header import TraceHeader, check_identifier

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
VERSION: Final = 1
"""Of the schema and of what is made of a trace: an index of another version is made anew."""
PATIENCE_SECONDS: Final = 5.0
"""How long a search may take; one that asks for nearly everything is stopped."""
_WAIT_SECONDS: Final = 5
_STEPS: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE traces (
    session_id TEXT PRIMARY KEY, state TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL,
    started INTEGER NOT NULL, first INTEGER, last INTEGER, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_state ON traces (state, at);
CREATE VIRTUAL TABLE passages USING fts5 (
    text, tags, session_id UNINDEXED, kind UNINDEXED, channel UNINDEXED, lines UNINDEXED,
    tokenize = 'unicode61 remove_diacritics 2'
);
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a trace has come."""

    session_id: str
    state: State
    why: str
    at: datetime
    started: datetime
    facts: Mapping[str, str]


def remove(folder: Path) -> None:
    """Remove the indexes of all hospitals from *folder*: what was on screens, in the clear. Raises OSError."""
    for pattern in ("*.db", "*.db-*"):
        for path in folder.glob(pattern):
            path.unlink()


class SearchIndex:
    """The index of one hospital.

    Args:
        folder: Where the indexes are; made when missing, for its owner alone.
        hospital_id: Whose.

    Raises:
        IndexUnavailable: The folder cannot be made, or the identifier can name none.
    """

    def __init__(self, folder: Path, hospital_id: str) -> None:
        try:
            check_identifier("hospital_id", hospital_id)
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            folder.chmod(FOLDER_MODE)
        except (TraceFormatError, OSError) as error:
            raise IndexUnavailable(f"the search's folder cannot be used: {error}") from error
        self.path = folder / f"{hospital_id}.db"

    def put(self, header: TraceHeader, rendered: Rendered, at: datetime) -> None:
        """Keep what was rendered of a trace in place of what was there of it, in one transaction."""
        with self._writing() as connection:
            self._remove(connection, [header.session_id])
            tags = _tags(header)
            first = last = None
            for passage in rendered.passages:
                lines = json.dumps([[line.at_ms, len(line.text)] for line in passage.lines])
                row = (passage.text, f"{tags} {tag('kind', passage.kind)}", header.session_id)
                last = connection.execute(
                    "INSERT INTO passages (text, tags, session_id, kind, channel, lines) VALUES (?, ?, ?, ?, ?, ?)",
                    (*row, passage.kind.value, passage.channel, lines),
                ).lastrowid
                first = last if first is None else first
            self._stand(connection, header, rendered.state, rendered.why, at, first, last)

    def wait(self, header: TraceHeader, why: str, at: datetime) -> None:
        """Note that a trace cannot be read yet, unless it stands there already as read."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT state FROM traces WHERE session_id = ?", (header.session_id,)
            ).fetchone()
            if row is None or row[0] == State.WAITING:
                self._stand(connection, header, State.WAITING, why, at, None, None)

    def refuse(self, session_id: str, why: str, at: datetime) -> None:
        """Note that of this session not even the header can be read."""
        row = (
            session_id,
            State.FAILED.value,
            neutralise(why[:500]),
            ticks(at),
            0,
            json.dumps(dict.fromkeys(_FACTS, "")),
        )
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO traces (session_id, state, why, at, started, facts) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def forget(self, sessions: Sequence[str]) -> int:
        """Remove all there is of these sessions, from the file too, and return of how many there was something."""
        with self._writing() as connection:
            known = [one for one in sessions if self._remove(connection, [one])]
            if known:
                # markers of removal would leave the words in older segments of the file
                connection.execute("INSERT INTO passages (passages) VALUES ('optimize')")
        if known:
            with self._connected() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(known)

    def unknown(self, sessions: Sequence[str]) -> set[str]:
        """Return those of *sessions* of which the index has no state."""
        marks = ", ".join("?" * len(sessions))
        query = f"SELECT session_id FROM traces WHERE session_id IN ({marks})"  # noqa: S608 - marks alone
        with self._connected() as connection:
            return set(sessions) - {row[0] for row in connection.execute(query, list(sessions))}

    def counts(self) -> dict[State, int]:
        """Return how many traces are in each state."""
        with self._connected() as connection:
            rows = connection.execute("SELECT state, count(*) FROM traces GROUP BY state").fetchall()
        found = {State(state): count for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def standing(self, state: State, limit: int = 100, before: datetime | None = None) -> list[Standing]:
        """Return the traces in a state, those looked at longest ago first; only those looked at before *before*."""
        latest = ticks(before) if before is not None else 1 << 62
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT session_id, state, why, at, started, facts FROM traces WHERE state = ? AND at < ? "
                "ORDER BY at LIMIT ?",
                (state.value, latest, limit),
            ).fetchall()
        return [
            Standing(row[0], State(row[1]), row[2], instant(row[3]), instant(row[4]), json.loads(row[5]))
            for row in rows
        ]

    def clear(self) -> None:
        """Remove everything: the index is made anew. A file that is no index any more is removed whole."""
        try:
            with self._connected() as connection:
                connection.execute("PRAGMA user_version = 0")
                _prepare(connection)
                connection.execute("VACUUM")
        except IndexUnavailable:
            for suffix in ("", "-wal", "-shm", "-journal"):
                try:
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                except OSError as error:
                    raise IndexUnavailable(f"the index cannot be removed: {error.strerror}") from error

    def search(self, search: Search) -> Hits:
        """Find passages, those indexed last first.

        Raises:
            IndexUnavailable: The index cannot be read.
        """
        limit = max(1, min(search.limit, MAX_HITS))
        sql, values = statement(search, limit)
        rows: list[Any] = []
        stopped = False
        with self._connected() as connection:
            deadline = time.monotonic() + PATIENCE_SECONDS
            connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
            try:
                for row in connection.execute(sql, values):
                    rows.append(row)  # noqa: PERF402 - those found before it was stopped are kept
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                stopped = True
        found = [hit_of(row) for row in rows[:limit]]
        return Hits(found, rows[limit - 1][0] if len(rows) > limit else None, stopped)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, FILE_MODE))
            with closing(
                sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            ) as connection:
                into_wal(connection, _WAIT_SECONDS)
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA secure_delete = ON")
                _prepare(connection)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise IndexUnavailable(f"the search's index cannot be used: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _remove(self, connection: sqlite3.Connection, sessions: Sequence[str]) -> bool:
        removed = False
        for session_id in sessions:
            row = connection.execute(
                "SELECT first, last FROM traces WHERE session_id = ?", (session_id,)
            ).fetchone()
            if row is None:
                continue
            removed = True
            if row[0] is not None:
                # numbered in one transaction, so that nothing of another trace lies between
                connection.execute("DELETE FROM passages WHERE rowid BETWEEN ? AND ?", row)
            connection.execute("DELETE FROM traces WHERE session_id = ?", (session_id,))
        return removed

    def _stand(
        self,
        connection: sqlite3.Connection,
        header: TraceHeader,
        state: State,
        why: str,
        at: datetime,
        first: int | None,
        last: int | None,
    ) -> None:
        started, noted = ticks(header.started_at), ticks(at)
        row = (header.session_id, state.value, neutralise(why[:500]), noted, started, first, last)
        connection.execute(
            "INSERT OR REPLACE INTO traces (session_id, state, why, at, started, first, last, facts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, json.dumps(header.named())),
        )


def _prepare(connection: sqlite3.Connection) -> None:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        for name in ("passages", "traces"):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


_FACTS: Final = (
    "person_id",
    "person_login",
    "person_name",
    "supplier",
    "device_id",
    "device_name",
    "account_name",
)


def _tags(header: TraceHeader) -> str:
    known = {"device": header.device["id"], "person": header.person["id"], "supplier": header.supplier["id"]}
    return " ".join(tag(name, value) for name, value in known.items())
