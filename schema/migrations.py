"""The migrations of one database: where it stands, whether it can be used, and bringing it forward.

On PostgreSQL, by an asynchronous driver, each migration is a transaction of its own, and gives up at once where others hold what it must lock: a
statement that waits for its lock holds up everybody who comes after it. It is tried again. On SQLite all of them are one
transaction.

Only who migrates loads alembic, which takes as long as a fifteenth of a program's start.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from schema.contract import Busy, Kind, Migration, SchemaError, Standing

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext, MigrationInfo

LOCK_MS: Final = 300
"""How long a migration waits for a table that is in use, and with it everybody who wants that table afterwards."""
PATIENCE_SECONDS: Final = 60.0
"""How long a migration is tried again before it is given up."""
_PAUSE_SECONDS: Final = 0.5
LOCK_NOT_AVAILABLE: Final = "55P03"
"""What PostgreSQL calls the end of ``lock_timeout``."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """The migrations in the folder *scripts*, for a database that people call *name*.

    *version_table* is alembic's; *history* is a table where the database keeps which migrations it has seen and what
    they promised; *lock* is the advisory lock of whoever migrates. *further* are more folders of versions.
    """

    name: str
    scripts: Path
    version_table: str
    history: str
    lock: int
    further: tuple[Path, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the scripts of the versions are."""
        return self.scripts / "versions", *self.further

    @property
    def all(self) -> tuple[Migration, ...]:
        """Every migration that this program knows, oldest first.

        Raises SchemaError for one that does not say its kind, and where they do not follow each other in one line.
        """
        return _known(self)

    @property
    def head(self) -> str:
        """The newest revision that this program knows."""
        return self.all[-1].revision

    def standing(self, connection: Connection) -> Standing:
        """Return where the database of *connection* stands for this program. Raises SQLAlchemyError."""
        found = self._revision(connection)
        known = [each.revision for each in self.all]
        if found is None:
            return Standing(revision=None, head=self.head, pending=self.all, obstacle=self._missing("none"))
        if found in known:
            pending = self.all[known.index(found) + 1 :]
            obstacle = self._missing(found) if any(each.needed for each in pending) else None
            return Standing(revision=found, head=self.head, pending=pending, obstacle=obstacle)
        newer = tuple(each for each in self._seen(connection) if each.revision not in known)
        return Standing(
            revision=found, head=self.head, newer=newer, obstacle=self._too_new(found, newer, known)
        )

    def check(self, connection: Connection) -> None:
        """Return where this program can use the database: it has what this program's schema adds, and nothing went that it uses.

        Raises SchemaError, which names the way out, and SQLAlchemyError.
        """
        obstacle = self.standing(connection).obstacle
        if obstacle is not None:
            raise SchemaError(obstacle)

    def upgrade(self, connection: Connection, until: str | None = None) -> None:
        """Bring the database forward to this program's schema, or to the revision *until*; a newer one is left alone.

        In the transaction of *connection* where there is one, else on PostgreSQL a migration at a time, while others use
        the database. Raises SchemaError where this program cannot use what it finds, Busy where what must be locked
        stayed in use for PATIENCE_SECONDS: what was done stays done, and running it again goes on from there.
        """
        if connection.dialect.name != "postgresql":
            self._run(connection, until, apart=False)
        elif connection.in_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self.lock})
            self._run(connection, until, apart=False)
        else:
            self._upgrade_in_use(connection, until)

    def _upgrade_in_use(self, connection: Connection, until: str | None) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        # asked for again and again rather than waited for: who waits has a snapshot, which building an index waits for
        while not _commanded(connection, "SELECT pg_try_advisory_lock(:key)", key=self.lock):
            _later(end, f"another program has been migrating the {self.name} database for a minute")
        try:
            _commanded(connection, f"SELECT set_config('lock_timeout', '{LOCK_MS}', false)")
            while True:
                try:
                    self._run(connection, until, apart=True)
                    connection.commit()
                except DBAPIError as error:
                    connection.rollback()
                    if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                        raise
                    at = self._revision(connection) or "none"
                    connection.rollback()
                    _later(
                        end,
                        f"the {self.name} database is at {at}: what the next migration has to lock was in use for a "
                        "minute. Run it again; a long report or backup may have to end first",
                    )
                else:
                    return
        finally:
            connection.rollback()
            _commanded(connection, "SELECT pg_advisory_unlock(:key)", key=self.lock)

    def _run(self, connection: Connection, until: str | None, *, apart: bool) -> None:
        from alembic import command
        from alembic.util import CommandError

        standing = self.standing(connection)
        if standing.obstacle is not None and not standing.pending:
            raise SchemaError(standing.obstacle)
        if standing.newer:
            return  # newer than this program, which can use it: there is nothing to bring forward
        self._begin_history(connection, standing)
        if apart:
            connection.commit()
        config = self.config()
        config.attributes["context"] = {
            "connection": connection,
            "version_table": self.version_table,
            "on_version_apply": self._note,
            "apart": apart,
            "transaction_per_migration": True,
            "transactional_ddl": True,
        }
        try:
            command.upgrade(config, until or "head")
        except CommandError as error:
            raise SchemaError(f"the {self.name} database cannot be brought up to date: {error}") from error

    def config(self) -> Config:
        """Return alembic's own settings for these migrations, wherever the program was started."""
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        if self.further:
            places = os.pathsep.join(map(str, self.folders))
            config.set_main_option("version_locations", places.replace("%", "%%"))
        return config

    def _revision(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(self.version_table):
            return None
        # asked every few seconds, and a question of alembic's has a table of its own each time: engines keep hundreds of them
        found: str | None = connection.execute(select(_version(self.version_table).c.version_num)).scalar()
        return found

    def _begin_history(self, connection: Connection, standing: Standing) -> None:
        """Make the history where there is none, with what was migrated before there was one."""
        if inspect(connection).has_table(self.history):
            return
        table = _history(self.history)
        table.create(connection)
        pending = {each.revision for each in standing.pending}
        for each in self.all:
            if each.revision not in pending:
                connection.execute(table.insert().values(_row(each)))

    def _note(self, *, ctx: MigrationContext, step: MigrationInfo, **_more: object) -> None:
        """Write into the history, in the migration's own transaction, what *step* promised."""
        made = next(each for each in self.all if each.revision == step.up_revision_id)
        ctx.execute(_history(self.history).insert().values(_row(made)))

    def _seen(self, connection: Connection) -> list[Migration]:
        """Return what the database says of the migrations it has seen; nothing where it keeps no history."""
        if not inspect(connection).has_table(self.history):
            return []
        table = _history(self.history)
        rows = connection.execute(select(table).order_by(table.c.revision)).mappings()
        return [_read(row) for row in rows]

    def _missing(self, found: str) -> str:
        return (
            f"the {self.name} database has schema {found}, this version of Écluse needs {self.head}: bring it up to "
            "date with 'ecluse db migrate'"
        )

    def _too_new(self, found: str, newer: tuple[Migration, ...], known: list[str]) -> str | None:
        said = f"the {self.name} database has schema {found}, which is newer than this version of Écluse (it knows {known[-1]})"
        if found not in {each.revision for each in newer}:
            return f"{said} and does not say what it changed: run the version that made it"
        narrowing = next((each for each in newer if not each.serves(known)), None)
        if narrowing is None:
            return None
        return (
            f"{said}: migration {narrowing.revision} took away what this version uses. Run a version that knows "
            f"{narrowing.unused_since or found}, or restore the backup made before that migration"
        )


def _commanded(connection: Connection, statement: str, **values: object) -> Any:
    found = connection.execute(text(statement), values).scalar()
    connection.commit()
    return found


def _later(end: float, otherwise: str) -> None:
    """Pause before the next try, or raise Busy where *end* has come."""
    if time.monotonic() >= end:
        raise Busy(otherwise)
    await_only(asyncio.sleep(_PAUSE_SECONDS))


@cache
def _known(migrations: Migrations) -> tuple[Migration, ...]:
    """Told once a process."""
    scripts = [script for folder in migrations.folders for script in folder.glob("[!_]*.py")]
    following = {step.after: step for step in map(Migration.read, scripts)}
    found: list[Migration] = []
    while (step := following.pop(found[-1].revision if found else None, None)) is not None:
        found.append(step)
    if len(found) != len(scripts):
        raise SchemaError(
            f"the migrations of the {migrations.name} database do not follow each other in one line"
        )
    return tuple(found)


@cache
def _version(name: str) -> Table:
    """As alembic makes it."""
    return Table(name, MetaData(), Column("version_num", String(32), primary_key=True))


@cache
def _history(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("revision", String(32), primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("unused_since", String(32)),
        Column("at", String(32), nullable=False),
    )


def _row(migration: Migration) -> Mapping[str, object]:
    return {
        "revision": migration.revision,
        "kind": str(migration.kind),
        "unused_since": migration.unused_since,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read(row: Mapping[Any, Any]) -> Migration:
    try:
        kind = Kind(row["kind"])
    except ValueError:
        kind = Kind.CONTRACT  # a promise that this program has no word for is none
    return Migration(revision=row["revision"], kind=kind, unused_since=row["unused_since"])
