"""``ecluse console``: the hospital's side, in the foreground."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta

import structlog
import typer
import uvicorn
from typing_extensions import override

from admin_api.app import create_app
from admin_api.evidence import OutboxIngest
from admin_api.server import server_config
from ecluse import composition, logs
from ecluse.commands.config import ConfigOption, load
from ecluse.presence import announced
from ecluse.settings import Settings
from ecluse.stopping import stop_requested
from policy import services
from policy.clock import SystemClock
from policy.errors import PolicyError
from policy.services import Services
from recorder.audit.journal import Journal
from recorder.store.catalog import Catalog
from recorder.store.database import Database
from recorder.store.folder import FolderStore

log = structlog.get_logger()

TOP_UP_EVERY = timedelta(days=1)
START_POLL_SECONDS = 0.02


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own, and closes its stores after serving."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("console")(console)


def console(config: ConfigOption = None) -> None:
    """Run the console alone: the API, the journal's ingestion, the daily work on windows.

    Example: ecluse console --config /etc/ecluse/ecluse.toml
    """
    settings = load(config)
    logs.configure(settings.log.level)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    clock = SystemClock()
    built = await services.build(composition.policy_settings(settings), clock)
    told = composition.api_settings(settings)
    database = Database(composition.recorder_settings(settings).catalog_url)
    journal = Journal(database, node=told.node, now=clock.now)
    app = create_app(built, Catalog(database), journal, FolderStore(settings.store), told, clock)
    server = Server(
        server_config(
            app,
            host=settings.console.host,
            port=settings.console.port,
            certificate=settings.certificate,
            key=settings.certificate_key,
        )
    )
    ingest = OutboxIngest(built, journal, clock)
    try:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve())
            chores = [group.create_task(ingest.run()), group.create_task(_top_up(built))]
            while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn offers no event to wait for
                await asyncio.sleep(START_POLL_SECONDS)
            if not server.started:
                raise SystemExit(1)
            port = server.servers[0].sockets[0].getsockname()[1]
            log.info("console.ready", host=settings.console.host, port=port)
            with announced(settings.run_directory, "console", port):
                await stop_requested()
            server.should_exit = True
            await serving
            for chore in chores:
                chore.cancel()
    finally:
        await database.dispose()
        await built.close()


async def _top_up(built: Services) -> None:
    while True:
        try:
            added = await built.windows.top_up()
            log.info("windows.topped_up", occurrences=added)
        except PolicyError:
            log.exception("windows.not_topped_up")
        await asyncio.sleep(TOP_UP_EVERY.total_seconds())
