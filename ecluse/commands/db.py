"""``ecluse db``: the schema of the two databases."""

import asyncio
from typing import TYPE_CHECKING

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk

if TYPE_CHECKING:
    from ecluse.settings import Settings

app = typer.Typer(help="The schema of the two databases.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the noun to the command tree."""
    root.add_typer(app, name="db")


@app.command()
def migrate(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Bring both databases up to this version's schema; does nothing where they are.

    Example: ecluse db migrate --config /etc/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    asyncio.run(migrate_both(load(config)))
    desk.done({"migrated": True}, "db.migrated")


async def migrate_both(settings: "Settings") -> None:
    """Bring both databases of *settings* up to date. Raises PolicyUnavailable, CatalogUnavailable."""
    from ecluse import composition
    from policy.store import database as policy_database
    from recorder.store import database as trace_database

    await policy_database.migrate(composition.policy_settings(settings).database_url)
    await trace_database.migrate(composition.recorder_settings(settings).catalog_url)
