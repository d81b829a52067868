"""Run the migrations on an open connection, without alembic's files in the current directory."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from policy.errors import PolicyUnavailable

_LOCK = 0x45434C_4D49
"""The advisory lock of whoever migrates, so that two processes started together take turns."""


def upgrade(connection: Connection) -> None:
    """Bring the schema up to the newest version, in *connection*'s transaction.

    Raises PolicyUnavailable for a schema that a newer version made: it is left alone.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise PolicyUnavailable(f"the policy database cannot be brought up to date: {error}") from error


def check_version(connection: Connection) -> None:
    """Return where the schema is the one this version works with; raises PolicyUnavailable otherwise."""
    found = MigrationContext.configure(connection).get_current_revision()
    wanted = _newest()
    if found != wanted:
        raise PolicyUnavailable(
            f"the policy database has schema {found or 'none'}, this version of Écluse needs {wanted}: bring it up "
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
    return config
