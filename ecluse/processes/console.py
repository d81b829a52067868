"""The console's process: the API, the journal's ingestion and the daily work on windows."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Coroutine, Iterator, Sequence
from datetime import timedelta

import structlog
import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from admin_api.alarms.watch import AlarmWatch
from admin_api.alarms.webhook import Webhook
from admin_api.app import close, create_app, keep_retention, look_after_readers, send_mails
from admin_api.evidence import OutboxIngest
from admin_api.server import server_config
from admin_api.settings import ApiSettings
from admin_api.syslog.exporter import JournalExport
from ecluse import composition
from ecluse.alarms import JournalAlarms
from ecluse.clocks import ClockWatch
from ecluse.errors import StartError
from ecluse.presence import announced
from ecluse.private_files import console_secrets
from ecluse.processes.start import check_secrets, listening
from ecluse.proofs import keep, proofs_of
from ecluse.revocations import REFRESH_EVERY, Revocations
from ecluse.searching import search_of
from ecluse.sections import Part
from ecluse.service_manager import ServiceManager, handed_over
from ecluse.settings import Settings
from ecluse.stopping import stop_requested
from policy import i18n, services
from policy.clock import SystemClock
from policy.errors import PolicyError
from policy.services import Services
from policy.services.pruning import PruningService
from recorder.audit.feed import JournalFeed
from recorder.audit.journal import Journal
from recorder.seal.ring import ReaderRing
from recorder.store.catalog import Catalog
from recorder.store.choice import trace_store
from recorder.store.database import Database

log = structlog.get_logger()

TOP_UP_EVERY = timedelta(days=1)
PRUNE_EVERY = timedelta(days=1)
START_POLL_SECONDS = 0.02
BACKLOG = 200


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own, and closes its stores after serving."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


async def serve(settings: Settings) -> None:
    """Serve the hospital's side until SIGTERM or SIGINT. Raises EcluseError and the packages' errors."""
    manager, sockets = ServiceManager(), handed_over()
    if not settings.checkpoint_key.exists():
        raise StartError("start.no_checkpoint_key", path=str(settings.checkpoint_key))
    check_secrets(console_secrets(settings))
    clock = SystemClock()
    built = await services.build(composition.policy_settings(settings, Part.CONSOLE), clock)
    told = composition.api_settings(settings)
    recording = composition.recorder_settings(settings, Part.CONSOLE)
    database = Database(recording.catalog_url)
    journal = Journal(database, node=told.node, now=clock.now)
    try:
        await database.check()
        await built.hospitals.get(told.hospital_id)
        proofs = proofs_of(settings, database, journal, clock)
        store = trace_store(recording, clock.now)
        ring = ReaderRing(settings.reader_places, clock.now)
        search = search_of(settings, built, database, store, ring)
        app = create_app(
            built,
            Catalog(database),
            journal,
            store,
            proofs,
            told,
            clock,
            vocabulary=(i18n.load("gateway"), i18n.load("ecluse")),
            search=search,
            ring=ring,
        )
        server = Server(_configuration(settings, app))
        with _bound(settings.console.host, settings.console.port, sockets) as bound:
            policy = composition.policy_settings(settings, Part.CONSOLE)
            pruning = PruningService(built.database, clock, policy, composition.retention(settings))
            ingest = OutboxIngest(built, journal, clock)
            chores = (
                send_mails(app),
                look_after_readers(app),
                keep_retention(app),
                keep(settings, proofs, store),
                *(() if search is None else (search.run(),)),
                *_watches(settings, told, built, database, journal),
            )
            try:
                await _serve(settings, server, bound, built, ingest, pruning, chores, manager)
            finally:
                await close(app)
    finally:
        await database.dispose()
        await built.close()


async def _serve(
    settings: Settings,
    server: Server,
    bound: Sequence[socket.socket],
    built: Services,
    ingest: OutboxIngest,
    pruning: PruningService,
    others: Sequence[Coroutine[None, None, None]],
    manager: ServiceManager,
) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=list(bound)))
        chores = [
            group.create_task(ingest.run()),
            group.create_task(_top_up(built)),
            group.create_task(_refresh_lists(built)),
            group.create_task(_prune(pruning, ingest)),
            group.create_task(manager.signs_of_life()),
            *(group.create_task(chore) for chore in others),
        ]
        while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(START_POLL_SECONDS)
        port = bound[0].getsockname()[1]
        log.info("console.ready", host=settings.console.host, port=port)
        with announced(settings.run_directory, "console", port):
            manager.tell("READY=1", f"STATUS=listening on port {port}")
            await stop_requested()
        manager.tell("STOPPING=1")
        server.should_exit = True
        await serving
        for chore in chores:
            chore.cancel()
    log.info("console.stopped")


def _watches(
    settings: Settings, told: ApiSettings, built: Services, database: Database, journal: Journal
) -> Iterator[Coroutine[None, None, None]]:
    """Give what looks for alarms, and what tells of them."""
    feed = JournalFeed(database, told.hospital_id)
    yield AlarmWatch(built, feed, told.hospital_id, told.thresholds, built.clock).run()
    machine = JournalAlarms(settings.hospital_id, built.clock.now, "console")
    machine.journal = journal
    bound = timedelta(seconds=settings.alarms.clock_seconds)
    yield ClockWatch(told.node, built.database, built.clock, bound, machine).run()
    collector = composition.syslog_settings(settings)
    if collector is not None:
        holder = f"{told.node}/{os.getpid()}"
        yield JournalExport(built, feed, told.hospital_id, collector, built.clock, holder, machine).run()
    if told.webhook is not None:
        yield Webhook(built.calls, told.hospital_id, told.webhook, built.clock).run()


def _configuration(settings: Settings, app: FastAPI) -> uvicorn.Config:
    try:
        return server_config(
            app,
            host=settings.console.host,
            port=settings.console.port,
            certificate=settings.certificate,
            key=settings.certificate_key,
        )
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            "start.certificate",
            certificate=str(settings.certificate),
            private_key=str(settings.certificate_key),
            why=error.strerror or str(error),
        ) from error


@contextlib.contextmanager
def _bound(host: str, port: int, handed: Sequence[socket.socket]) -> Iterator[Sequence[socket.socket]]:
    """Hold the port before anything is served: uvicorn would end the process where it is taken.

    What was *handed* over by the service manager is listened on, and nothing else.
    """
    if handed:
        yield handed
        return
    with listening("console", host, port):
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=BACKLOG)
    try:
        yield [bound]
    finally:
        bound.close()


async def _refresh_lists(built: Services) -> None:
    async with Revocations() as revocations:
        while True:
            try:
                kept = await built.anchors.refresh(revocations.fetch)
                log.info("crl.refreshed", kept=kept)
            except PolicyError:
                log.exception("crl.not_refreshed")
            await asyncio.sleep(REFRESH_EVERY.total_seconds())


async def _top_up(built: Services) -> None:
    while True:
        try:
            added = await built.windows.top_up()
            log.info("windows.topped_up", occurrences=added)
        except PolicyError:
            log.exception("windows.not_topped_up")
        await asyncio.sleep(TOP_UP_EVERY.total_seconds())


async def _prune(pruning: PruningService, ingest: OutboxIngest) -> None:
    while True:
        # what this process has not handed to the journal yet is not old, so the first look waits for that
        await ingest.caught_up.wait()
        try:
            removed = await pruning.prune(ingest.position)
            log.info("store.pruned", **removed)
        except PolicyError:
            log.exception("store.not_pruned")
        await asyncio.sleep(PRUNE_EVERY.total_seconds())
