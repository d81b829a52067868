"""``ecluse db``: the schema of the two databases."""

import asyncio
from typing import TYPE_CHECKING, Annotated

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


@app.command()
def prune(
    context: typer.Context,
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what serves nothing any more (settings: retention), as the console does every day; the journal keeps a line.

    Example: ecluse db prune --dry-run --config /etc/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    counts = asyncio.run(pruned(load(config), dry_run=dry_run))
    if as_json:
        desk.show_json({"removed": counts, "dry_run": dry_run})
        return
    for table, rows in sorted(counts.items()):
        desk.tell("db.pruned_rows", table=table, rows=rows)
    desk.tell("db.prunable" if dry_run else "db.pruned", rows=sum(counts.values()))


async def pruned(settings: "Settings", *, dry_run: bool) -> dict[str, int]:
    """Remove old rows, or only count them, and return how many by table.

    What the journal lacks of the outbox is brought there before anything goes. Raises PolicyUnavailable,
    CatalogUnavailable.
    """
    from admin_api.evidence import OutboxIngest
    from ecluse import composition
    from policy import services
    from policy.clock import SystemClock
    from policy.services.pruning import PruningService
    from recorder.audit.journal import Journal
    from recorder.store.database import Database

    clock = SystemClock()
    policy = composition.policy_settings(settings)
    built = await services.build(policy, clock)
    database = Database(composition.recorder_settings(settings).catalog_url)
    try:
        await database.check()
        # a writer of its own: the console's chain is the console's
        journal = Journal(database, node=f"{settings.node}-db", now=clock.now)
        ingest = OutboxIngest(built, journal, clock)
        pruning = PruningService(built.database, clock, policy, composition.retention(settings))
        if dry_run:
            head, _ = await built.access.changes_since(None)
            return dict(await pruning.count(head))
        await ingest.catch_up()
        removed = await pruning.prune(ingest.position)
        await ingest.catch_up()
        return dict(removed)
    finally:
        await database.dispose()
        await built.close()


async def migrate_both(settings: "Settings") -> None:
    """Bring both databases of *settings* up to date. Raises PolicyUnavailable, CatalogUnavailable."""
    from ecluse import composition
    from policy.store import database as policy_database
    from recorder.store import database as trace_database

    await policy_database.migrate(composition.policy_settings(settings).database_url)
    await trace_database.migrate(composition.recorder_settings(settings).catalog_url)
