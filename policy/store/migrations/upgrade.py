"""Run the migrations on an open connection, without alembic's files in the current directory."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

_LOCK = 0x45434C_4D49
"""The advisory lock of whoever migrates, so that two processes started together take turns."""


def upgrade(connection: Connection) -> None:
    """Bring the schema up to the newest version, in *connection*'s transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
