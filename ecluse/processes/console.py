"""The console's process: the API, the journal's ingestion and the daily work on windows."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import timedelta

import structlog
import uvicorn
from fastapi import FastAPI

from admin_api.alarms.belief import Belief
from admin_api.alarms.watch import AlarmWatch
from admin_api.alarms.webhook import Webhook
from admin_api.app import close, create_app, keep_retention, look_after_readers, send_mails
from admin_api.evidence import OutboxIngest
from admin_api.registered_keys import RegisteredKeys
from admin_api.selfaudit.lateness import AuditLateness
from admin_api.selfaudit.machines import AuditKeys
from admin_api.server import server_config
from admin_api.settings import ApiSettings
from admin_api.syslog.exporter import JournalExport
from admin_api.verification import NightlyVerification
from ecluse import composition
from ecluse.alarms import JournalAlarms
from ecluse.clocks import ClockWatch
from ecluse.errors import StartError
from ecluse.observation.console import ConsoleMetrics, Timed, Traced
from ecluse.observation.listener import watched
from ecluse.observation.metrics import ObservedJournal
from ecluse.presence import Berth, announced, berth
from ecluse.private_files import console_secrets
from ecluse.processes.http import Server, bound
from ecluse.processes.registration import registered
from ecluse.processes.start import check_clock, check_secrets
from ecluse.proofs import keep, proofs_of
from ecluse.revocations import REFRESH_EVERY, Revocations
from ecluse.searching import search_of
from ecluse.sections import Part
from ecluse.service_manager import ServiceManager, handed_over
from ecluse.settings import Settings
from ecluse.stopping import stop_requested
from policy import i18n, services
from policy.clock import SystemClock
from policy.domain.ids import HospitalId
from policy.domain.programs import ProgramKind
from policy.errors import PolicyError
from policy.services import Services
from policy.services.pruning import PruningService
from recorder.audit.feed import JournalFeed
from recorder.proof.proofs import Proofs
from recorder.seal.ring import ReaderRing
from recorder.store.catalog import Catalog
from recorder.store.choice import trace_store
from recorder.store.database import Database

log = structlog.get_logger()

TOP_UP_EVERY = timedelta(days=1)
PRUNE_EVERY = timedelta(days=1)
AGAIN = timedelta(minutes=1)
"""When daily work is tried again that could not be done."""


async def serve(settings: Settings) -> None:
    """Serve the hospital's side until SIGTERM or SIGINT. Raises EcluseError and the packages' errors."""
    with berth(settings.run_directory, "console") as held:
        await _open(settings, held)


async def _open(settings: Settings, held: Berth) -> None:
    manager, sockets = ServiceManager(), handed_over()
    if not settings.checkpoint_key.exists():
        raise StartError("start.no_checkpoint_key", path=str(settings.checkpoint_key))
    check_secrets(console_secrets(settings))
    clock = SystemClock()
    built = await services.build(composition.policy_settings(settings, Part.CONSOLE), clock)
    told = composition.api_settings(settings)
    recording = composition.recorder_settings(settings, Part.CONSOLE)
    database = Database(recording.catalog_url)
    journal = ObservedJournal(database, node=told.node, now=clock.now)
    try:
        await check_clock(settings, built.database, clock)
        await database.check()
        await built.hospitals.get(told.hospital_id)
        proofs = proofs_of(settings, database, journal, clock)
        store = trace_store(recording, clock.now)
        ring = ReaderRing(settings.reader_places, clock.now)
        search = search_of(settings, built, database, store, ring, journal)
        ingest = OutboxIngest(built, journal, clock)
        machine = JournalAlarms(settings.hospital_id, clock.now, "console")
        machine.journal = journal
        bounds = timedelta(seconds=settings.alarms.clock_seconds)
        watch = ClockWatch(told.node, built.database, clock, bounds, machine)
        stopping = asyncio.Event()
        metrics = ConsoleMetrics(told.hospital_id, built, database, ingest, watch, stopping.is_set)
        journal.metrics = metrics
        app = create_app(
            built,
            Catalog(database),
            journal,
            store,
            proofs,
            told,
            clock,
            vocabulary=_vocabulary(),
            search=search,
            ring=ring,
            probe=metrics.readings,
        )
        app.add_middleware(Timed, metrics=metrics)
        tracing = metrics.tracing = composition.tracing_of(settings, "console")
        if tracing is not None:
            app.add_middleware(Traced, tracing=tracing)
        server = Server(_configuration(settings, app))
        with bound("console", settings.console.host, settings.console.port, handed=sockets) as listening:
            policy = composition.policy_settings(settings, Part.CONSOLE)
            pruning = PruningService(
                built.database,
                clock,
                policy,
                composition.retention(settings),
                HospitalId(settings.hospital_id),
            )
            chores = (
                send_mails(app),
                look_after_readers(app),
                keep_retention(app),
                keep(settings, proofs, store),
                *(() if search is None else (search.run(),)),
                *_nightly(settings, app),
                _lateness(settings, app).run(),
                watch.run(),
                *_watches(settings, told, built, proofs, machine),
            )
            try:
                async with (
                    registered(built.programs, ProgramKind.CONSOLE, told.node, clock, held, machine),
                    watched(composition.observation_settings(settings, "console"), metrics) as port,
                ):
                    await _serve(
                        settings, server, listening, port, stopping, built, ingest, pruning, chores, manager
                    )
            finally:
                await close(app)
                if tracing is not None:
                    await asyncio.to_thread(tracing.close)
    finally:
        await database.dispose()
        await built.close()


async def _serve(
    settings: Settings,
    server: Server,
    listening: Sequence[socket.socket],
    watched_at: int | None,
    stopping: asyncio.Event,
    built: Services,
    ingest: OutboxIngest,
    pruning: PruningService,
    others: Sequence[Coroutine[None, None, None]],
    manager: ServiceManager,
) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=list(listening)))
        chores = [
            group.create_task(ingest.run()),
            group.create_task(_top_up(built)),
            group.create_task(_refresh_lists(built, HospitalId(settings.hospital_id))),
            group.create_task(_prune(pruning, ingest)),
            group.create_task(manager.signs_of_life()),
            *(group.create_task(chore) for chore in others),
        ]
        await server.ready(serving)
        port = listening[0].getsockname()[1]
        log.info("console.ready", host=settings.console.host, port=port)
        with announced(settings.run_directory, "console", port, watched=watched_at):
            manager.tell("READY=1", f"STATUS=listening on port {port}")
            await stop_requested()
        manager.tell("STOPPING=1")
        stopping.set()
        server.should_exit = True
        await serving
        for chore in chores:
            chore.cancel()
    log.info("console.stopped")


def _nightly(settings: Settings, app: FastAPI) -> Iterator[Coroutine[None, None, None]]:
    """Give what verifies everything, where it is wanted and there is a key to verify by."""
    chosen, context = settings.verification, app.state.context
    if chosen.every_days and context.trace_keys:
        hospital = HospitalId(settings.hospital_id)
        yield NightlyVerification(context, hospital, hour=chosen.hour, every_days=chosen.every_days).run()


def _vocabulary() -> tuple[i18n.Catalog, ...]:
    """The sentences of other packages that the console, its mails and its webhook say."""
    return i18n.load("gateway"), i18n.load("ecluse")


def _lateness(settings: Settings, app: FastAPI) -> AuditLateness:
    late = timedelta(days=settings.self_audit.late_days)
    return AuditLateness(app.state.context, settings.hospital_id, settings.node, late)


def _watches(
    settings: Settings, told: ApiSettings, built: Services, proofs: Proofs, machine: JournalAlarms
) -> Iterator[Coroutine[None, None, None]]:
    """Give what looks for alarms, and what tells of them."""
    feed = JournalFeed(proofs.database, told.hospital_id, proofs.keys)
    audits = AuditKeys(proofs.keys, RegisteredKeys(settings.audit_keys))
    belief = Belief(audits, RegisteredKeys(settings.probe_keys))
    yield AlarmWatch(built, feed, told.hospital_id, told.thresholds, built.clock, belief=belief).run()
    collector = composition.syslog_settings(settings)
    if collector is not None:
        holder = f"{told.node}/{os.getpid()}"
        yield JournalExport(built, feed, told.hospital_id, collector, built.clock, holder, machine).run()
    if told.webhook is not None:
        yield Webhook(built.calls, told.hospital_id, told.webhook, built.clock, _vocabulary()).run()


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


async def _refresh_lists(built: Services, hospital_id: HospitalId) -> None:
    async with Revocations() as revocations:

        async def refresh() -> None:
            log.info("crl.refreshed", kept=await built.anchors.refresh(hospital_id, revocations.fetch))

        await _every(REFRESH_EVERY, "crl.not_refreshed", refresh)


async def _top_up(built: Services) -> None:
    async def top_up() -> None:
        log.info("windows.topped_up", occurrences=await built.windows.top_up())

    await _every(TOP_UP_EVERY, "windows.not_topped_up", top_up)


async def _prune(pruning: PruningService, ingest: OutboxIngest) -> None:
    async def prune() -> None:
        # what this process has not handed to the journal yet is not old, so the first look waits for that
        await ingest.caught_up.wait()
        log.info("store.pruned", **await pruning.prune(ingest.position))

    await _every(PRUNE_EVERY, "store.not_pruned", prune)


async def _every(rest: timedelta, not_done: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do *work* until cancelled, with *rest* in between; where policy is out of reach, say so and do it soon again."""
    while True:
        try:
            await work()
        except PolicyError as error:
            log.warning(not_done, error=str(error), next=f"tried again in {AGAIN.total_seconds():g} s")
            await asyncio.sleep(AGAIN.total_seconds())
        else:
            await asyncio.sleep(rest.total_seconds())
