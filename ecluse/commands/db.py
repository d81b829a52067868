"""``ecluse db``: the schema of the two databases."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import StoreError

if TYPE_CHECKING:
    from ecluse.relocation import Relocation
    from ecluse.settings import Settings

app = typer.Typer(help="The schema of the two databases.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the noun to the command tree."""
    root.add_typer(app, name="db")


@app.command()
def migrate(
    context: typer.Context,
    config: ConfigOption = None,
    while_running: Annotated[
        bool,
        typer.Option("--while-running", help="Change nothing where a running program would not go on."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring both databases up to this version's schema, and give the processes' roles what they need of it.

    Does nothing where they are. The roles are those of the settings (gateway_user, console_user), on PostgreSQL.

    Example: ecluse db migrate --config /etc/ecluse/ecluse.toml
    """
    desk = Desk.of(context, as_json)
    asyncio.run(migrate_both(load(config), while_running=while_running))
    desk.done({"migrated": True}, "db.migrated")


@app.command("migrate-to")
def migrate_to(
    context: typer.Context,
    url: Annotated[
        str, typer.Argument(help="Its owner's URL without a password: postgresql://ecluse@db/ecluse_policy.")
    ],
    traces_url: Annotated[
        str | None,
        typer.Option("--traces-url", help="Another database for catalogue and journal; unset, the same one."),
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="File with the owner's password.")
    ] = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Move the embedded databases to PostgreSQL: policy, catalogue and journal, verified, or nothing at all.

    Stop 'ecluse serve' first. The SQLite files are only read, and stay. Traces, spool and keys stay where they are.

    Example: ecluse db migrate-to postgresql://ecluse@db.hospital.example/ecluse --password-file /etc/ecluse/owner.pass
    """
    from ecluse.proving import tell_journal, verdict

    desk = Desk.of(context, as_json)
    result = asyncio.run(_relocated(load(config), url, traces_url or url, password_file))
    rows = sum(result.rows.values())
    settings = _new_settings(url, traces_url or url, password_file)
    if as_json:
        desk.show_json({"rows": result.rows, "journal": verdict(result.journal), "settings": settings})
        return
    desk.tell("db.moved", rows=rows, tables=len(result.rows))
    tell_journal(desk, result.journal)
    desk.tell("db.moved_next")
    for section, values in settings.items():
        desk.write(f"[{section}]")
        for key, value in values.items():
            desk.write(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        desk.write("")


async def _relocated(
    settings: "Settings", url: str, traces_url: str, password_file: Path | None
) -> "Relocation":
    from pydantic import ValidationError
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from ecluse.progress import progress
    from ecluse.relocation import relocate
    from ecluse.sections import DatabaseSection

    urls = []
    for one in (url, traces_url):
        try:
            section = DatabaseSection(url=one, password_file=password_file)
        except ValidationError as error:
            raise StoreError("db.url", url=one, why=str(error.errors()[0]["msg"])) from error
        if section.embedded:
            raise StoreError("db.url_embedded", url=one)
        urls.append(section.resolve(Path()))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with progress(*columns) as screen:
        bar = screen.add_task("", total=None)

        def tell(table: str, done: int, total: int) -> None:
            screen.update(bar, description=table, completed=done, total=total)

        return await relocate(settings, urls[0], urls[1], tell)


def _new_settings(url: str, traces_url: str, password_file: Path | None) -> dict[str, dict[str, str]]:
    """Return the settings to write, with the two users that ``roles.sql`` makes."""
    owner = {} if password_file is None else {"password_file": str(password_file)}
    users = {"gateway_user": "ecluse_gateway", "console_user": "ecluse_console"}
    return {
        "policy_database": {"url": url, **owner, **users},
        "trace_database": {"url": traces_url, **owner, **users},
    }


@app.command()
def roles(context: typer.Context) -> None:
    """Print the script that makes the two PostgreSQL roles, for psql: what the gateway and the console may do.

    Example: ecluse db roles > roles.sql && psql -d ecluse_policy -f roles.sql && psql -d ecluse_traces -f roles.sql
    """
    from ecluse import grants

    del context
    sys.stdout.write(grants.script())


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


async def migrate_both(settings: "Settings", *, while_running: bool = False) -> None:
    """Bring both databases of *settings* up to date, with the rights of their roles.

    Raises PolicyUnavailable, CatalogUnavailable, StoreError where a role cannot be given its rights, and, with nothing
    changed, where *while_running* and programs of the version that the databases have would not go on.
    """
    from ecluse import database_roles
    from policy.store import database as policy_database
    from recorder.store import database as trace_database

    if while_running:
        standings = (
            await policy_database.standing(settings.policy_url()),
            await trace_database.standing(settings.trace_url()),
        )
        for standing in standings:
            if not standing.outlasted:
                raise StoreError("db.not_outlasted", found=standing.revision or "–", wanted=standing.head)
    await policy_database.migrate(settings.policy_url())
    await trace_database.migrate(settings.trace_url())
    await database_roles.give(settings)
