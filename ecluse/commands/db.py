"""``ecluse db``: the schema of the two databases."""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecluse.commands.config import ConfigOption, load
from ecluse.desk import AsJson, Desk
from ecluse.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecluse.migration import Held, State, User
    from ecluse.relocation import Relocation
    from ecluse.settings import Settings

group = typer.Typer(help="The schema of the two databases.", no_args_is_help=True)


@group.command()
def migrate(
    context: typer.Context,
    config: ConfigOption = None,
    while_running: Annotated[
        bool,
        typer.Option("--while-running", help="Change nothing where a running program would not go on."),
    ] = False,
    after_all_upgraded: Annotated[
        bool,
        typer.Option(
            "--after-all-upgraded",
            help="Gateways that do not say their version are all of this one, or stopped.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring both databases up to this version's schema while programs run, and give the processes' roles their rights.

    What only adds is done; what takes away waits until no program runs that would still use it ('ecluse db status'
    names them). Does nothing where both are up to date. The roles are those of the settings (gateway_user,
    console_user), on PostgreSQL.

    Example: ecluse db migrate --config /etc/ecluse/ecluse.toml
    """
    from ecluse.migration import Move
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    move = Move(load(config), SystemClock())
    asyncio.run(
        move.run(
            after_all_upgraded=after_all_upgraded,
            while_running=while_running,
            waiting=lambda users: desk.note("db.waiting", programs=", ".join(map(str, users))),
        )
    )
    desk.done({"migrated": True}, "db.migrated")


@group.command()
def status(context: typer.Context, config: ConfigOption = None, as_json: AsJson = False) -> None:
    """Show where both databases stand, what 'ecluse db migrate' would do, and which programs use them.

    Exit code 1 where this version could not use them as they are.

    Example: ecluse db status --json --config /etc/ecluse/ecluse.toml
    """
    from ecluse.migration import Move
    from policy.clock import SystemClock

    desk = Desk.of(context, as_json)
    move = Move(load(config), SystemClock())
    state = asyncio.run(move.state())
    held = move.held(state, after_all_upgraded=False)
    if as_json:
        desk.show_json(_document(state, held))
    else:
        _show(desk, state, held)
    if state.policy.obstacle is not None or state.traces.obstacle is not None:
        raise typer.Exit(1)


def _document(state: "State", held: "Sequence[Held]") -> dict[str, object]:
    return {
        "policy": asdict(state.policy),
        "traces": asdict(state.traces),
        "programs": [_program(user) for user in state.users],
        "held": [
            {
                "store": each.store,
                "revision": each.migration.revision,
                "by": [str(user) for user in each.users],
            }
            for each in held
        ],
    }


def _program(user: "User") -> dict[str, object]:
    told = user.program
    if told is None:
        return {"kind": "gateway", "node": user.node, "alive": user.alive}
    shown = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(told).items()
        if key != "claim"
    }
    return {**shown, "alive": user.alive}


def _show(desk: Desk, state: "State", held: "Sequence[Held]") -> None:
    for store, standing in (("policy", state.policy), ("traces", state.traces)):
        desk.tell(
            "db.stands",
            store=desk.say(f"db.store.{store}"),
            revision=standing.revision or "-",
            head=standing.head,
        )
        for key, migrations in (("db.pending", standing.pending), ("db.newer", standing.newer)):
            for each in migrations:
                kind = desk.say(f"db.kind.{each.kind}")
                desk.tell(key, revision=each.revision, kind=kind, title=each.title)
        if standing.obstacle is not None and standing.newer:
            desk.write(standing.obstacle)
    for user in state.users:
        told = user.program
        if told is None:
            desk.tell("db.program_unknown", node=user.node)
        elif told.ended_at is None:
            desk.tell(
                "db.program" if user.alive else "db.program_silent" if told.proved else "db.program_forged",
                program=str(user),
                policy=told.policy_schema,
                traces=told.trace_schema,
            )
    for one in held:
        users = ", ".join(map(str, one.users))
        desk.tell(
            "db.waits",
            store=desk.say(f"db.store.{one.store}"),
            revision=one.migration.revision,
            programs=users,
        )


@group.command("migrate-to")
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


@group.command()
def roles(context: typer.Context) -> None:
    """Print the script that makes the two PostgreSQL roles, for psql: what the gateway and the console may do.

    Example: ecluse db roles > roles.sql && psql -d ecluse_policy -f roles.sql && psql -d ecluse_traces -f roles.sql
    """
    from ecluse import grants

    del context
    sys.stdout.write(grants.script())


@group.command()
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
    from policy.domain.ids import HospitalId
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
        pruning = PruningService(
            built.database, clock, policy, composition.retention(settings), HospitalId(settings.hospital_id)
        )
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
