"""The trace database's migrations, and their failures in this package's words."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from recorder.errors import CatalogUnavailable
from schema.contract import SchemaError
from schema.migrations import Migrations

MIGRATIONS: Final = Migrations(
    name="trace",
    scripts=Path(__file__).parent,
    version_table="recorder_version",  # its own, for both databases may be one
    history="recorder_migrations",
    lock=0x45434C_5452,
)


def upgrade(connection: Connection, migrations: Migrations = MIGRATIONS, until: str | None = None) -> None:
    """Bring the schema to the newest version, or to *until* (see ``Migrations.upgrade``).

    Raises:
        CatalogUnavailable: This version cannot use the schema, or cannot lock it; it is left alone.
    """
    try:
        migrations.upgrade(connection, until)
    except SchemaError as error:
        raise CatalogUnavailable(str(error)) from error


def check_version(connection: Connection) -> None:
    """Return where the schema is one that this version can use.

    Raises:
        CatalogUnavailable: It is not, or there is none.
    """
    try:
        MIGRATIONS.check(connection)
    except SchemaError as error:
        raise CatalogUnavailable(str(error)) from error
