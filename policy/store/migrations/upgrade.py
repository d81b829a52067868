"""The policy database's migrations, and their failures in this package's words."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from policy.errors import PolicyUnavailable
from schema.contract import SchemaError
from schema.migrations import Migrations

MIGRATIONS: Final = Migrations(
    name="policy",
    scripts=Path(__file__).parent,
    version_table="alembic_version",
    history="policy_migrations",
    lock=0x45434C_4D49,
)


def upgrade(connection: Connection, migrations: Migrations = MIGRATIONS, until: str | None = None) -> None:
    """Bring the schema up to the newest version, or to *until* (see ``Migrations.upgrade``).

    Raises PolicyUnavailable for a schema that this version cannot use, or cannot lock: what is there is left alone.
    """
    try:
        migrations.upgrade(connection, until)
    except SchemaError as error:
        raise PolicyUnavailable(str(error)) from error


def check_version(connection: Connection) -> None:
    """Return where the schema is one that this version can use; raises PolicyUnavailable otherwise."""
    try:
        MIGRATIONS.check(connection)
    except SchemaError as error:
        raise PolicyUnavailable(str(error)) from error
