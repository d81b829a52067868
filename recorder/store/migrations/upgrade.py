"""Runs the migrations on an open connection, wherever the program was started."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from recorder.errors import CatalogUnavailable

VERSION_TABLE = "recorder_version"
"""Its own, for both databases may be one."""

_LOCK = 0x45434C_5452
"""Advisory lock of whoever migrates the catalogue: two processes started together take turns."""


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest version within the connection's transaction.

    Raises:
        CatalogUnavailable: A newer version made this schema; it is left alone.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise CatalogUnavailable(f"the trace database cannot be brought up to date: {error}") from error


def check_version(connection: Connection) -> None:
    """Return where the schema is the one this version works with.

    Raises:
        CatalogUnavailable: It is another version's, or there is none.
    """
    migrations = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    found = migrations.get_current_revision()
    wanted = _newest()
    if found != wanted:
        raise CatalogUnavailable(
            f"the trace database has schema {found or 'none'}, this version of Écluse needs {wanted}: bring it up "
            "to date, or run the version that made it"
        )


@cache
def _newest() -> str | None:
    """The version the scripts lead to: told once a process, for finding it out runs every one of them."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_table", VERSION_TABLE)
    return config
