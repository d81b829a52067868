"""The gateway's process: the SSH side, put together and served until it is asked to stop."""

import asyncio
import gc
import os
import pwd
import socket
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import structlog

from ecluse import composition
from ecluse.alarms import JournalAlarms
from ecluse.clocks import ClockWatch
from ecluse.errors import StartError
from ecluse.host_keys import HostKeyUnusable, read_host_key
from ecluse.observation.gateway import GatewayMetrics
from ecluse.observation.listener import watched
from ecluse.observation.metrics import ObservedJournal
from ecluse.observation.traced import GatewayTraces
from ecluse.presence import Berth, announced, berth
from ecluse.private_files import gateway_secrets
from ecluse.processes.registration import registered
from ecluse.processes.start import check_clock, check_secrets, listening
from ecluse.revocations import Revocations
from ecluse.sections import Part
from ecluse.service_manager import ServiceManager, handed_over
from ecluse.settings import Settings
from ecluse.stopping import Wishes
from ecluse.succession import replaceable, successor
from gateway.server.listener import Gateway
from gateway.target.dial import Dialler
from gateway.target.flows import FlowBroker
from gateway.target.tasks import TaskRunner
from policy import i18n, services
from policy.clock import Clock, SystemClock
from policy.domain.ids import HospitalId
from policy.domain.programs import ProgramKind
from policy.services import Services
from recorder.capture.spool import Recorder

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Serve technicians' connections until SIGTERM or SIGINT, then drain. Raises EcluseError and the packages' errors.

    At SIGUSR2 another process takes its place (`ecluse.succession`), and this one ends with its last session. While
    both live the second is a node of its own: ``node1.2`` of ``node1``.

    It listens where the settings say, or on the sockets that the service manager hands over, and tells that one how
    it does (`ecluse.service_manager`).
    """
    manager, sockets = ServiceManager(), handed_over()
    with berth(settings.run_directory, "gateway") as held:
        if held.number > 1:
            settings = settings.model_copy(update={"node": f"{settings.node}.{held.number}"})
            structlog.contextvars.bind_contextvars(node=settings.node)
        await _open(settings, manager, sockets, held)


async def _open(
    settings: Settings, manager: ServiceManager, sockets: Sequence[socket.socket], held: Berth
) -> None:
    check_secrets(gateway_secrets(settings))
    _give_a_name(settings)
    if not settings.reader_public_keys:
        raise StartError("start.no_reader", directory=str(settings.readers))
    for path in settings.host_keys:
        try:
            read_host_key(path)
        except HostKeyUnusable as error:
            raise StartError("start.host_key", path=str(path), why=str(error)) from error
    if settings.host_authority.exists():
        try:
            read_host_key(settings.host_authority)
        except HostKeyUnusable as error:
            path = settings.host_authority
            raise StartError("start.host_authority", path=str(path), why=str(error)) from error
    else:
        log.warning("gateway.no_host_authority", path=str(settings.host_authority))
    clock = SystemClock()
    responder = Revocations()
    built = await services.build(
        composition.policy_settings(settings, Part.GATEWAY), clock, responder=responder
    )
    alarms = JournalAlarms(settings.hospital_id, clock.now)
    tracing = composition.tracing_of(settings, "gateway")
    traces = None if tracing is None else GatewayTraces(tracing)
    recorder = Recorder(
        composition.recorder_settings(settings, Part.GATEWAY),
        node=settings.node,
        now=clock.now,
        on_alarm=alarms,
        **({} if traces is None else {"store": traces.store}),
    )
    try:
        await check_clock(settings, built.database, clock)
        await recorder.database.check()
        async with registered(built.programs, ProgramKind.GATEWAY, settings.node, clock, held, alarms):
            await recorder.start()
            await _serve(settings, built, recorder, alarms, clock, manager, sockets, traces)
    finally:
        if tracing is not None:
            await asyncio.to_thread(tracing.close)
        await alarms.close()
        await recorder.stop()
        await built.close()
        await responder.close()


def _give_a_name(settings: Settings) -> None:
    """Name this process's user where the machine has none for its number, as in a container.

    The SSH library asks for a name and a home at each connection, for files that it is told not to read.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", "ecluse")
        os.environ.setdefault("HOME", str(settings.data_dir))


async def _serve(
    settings: Settings,
    built: Services,
    recorder: Recorder,
    alarms: JournalAlarms,
    clock: Clock,
    manager: ServiceManager,
    sockets: Sequence[socket.socket],
    traces: GatewayTraces | None,
) -> None:
    journal = ObservedJournal(recorder.database, node=settings.node, now=clock.now)
    alarms.journal = journal
    told = composition.gateway_settings(settings)
    if traces is None:
        running = Gateway(told, built, recorder, journal, clock)
    else:
        running = traces.gateway(told, built, recorder, journal, clock)
    tasks = TaskRunner(
        built.device_tasks,
        Dialler(built.vault, told.connect_timeout_seconds, FlowBroker.at(told.flow_broker)),
        journal,
        i18n.load("gateway"),
        clock,
        hospital_id=HospitalId(settings.hospital_id),
        node=settings.node,
    )
    machine = JournalAlarms(settings.hospital_id, clock.now, "gateway")
    machine.journal = journal
    bound = timedelta(seconds=settings.alarms.clock_seconds)
    watch = ClockWatch(settings.node, built.database, clock, bound, machine)
    metrics = journal.metrics = GatewayMetrics(running, recorder, watch)
    running.on_decision = metrics.decided
    metrics.tracing = None if traces is None else traces.tracing
    observed = composition.observation_settings(settings, "gateway")
    try:
        async with AsyncExitStack() as seen:
            watched_at = await seen.enter_async_context(watched(observed, metrics))
            with listening("gateway", told.host, told.port):
                await running.start(sockets)
            tasks.start()
            # What was loaded until now stays: looking through it again and again holds up every session, 80 ms a time.
            gc.collect()
            gc.freeze()
            clocks = asyncio.create_task(watch.run())
            signs = asyncio.create_task(manager.signs_of_life(lambda: running.supervised))
            log.info("gateway.ready", host=told.host, port=running.port)
            wishes = Wishes()  # before anybody can know whom to send a signal: unheard, it would kill
            with announced(settings.run_directory, "gateway", running.port, watched=watched_at):
                manager.tell("READY=1", f"STATUS=listening on port {running.port}")
                pid = None
                while pid is None and await wishes.to_hand_over():
                    if not replaceable():
                        continue
                    await seen.aclose()  # the port of its metrics is the successor's
                    pid = await successor(
                        "gateway", settings.run_directory, running.descriptors, manager.for_a_successor
                    )
                    if pid is None:
                        await seen.enter_async_context(watched(observed, metrics))
                clocks.cancel()
                await machine.close()
                await tasks.stop()
                if pid is not None:
                    log.info("gateway.handed_over", to=pid, sessions=running.sessions)
                    manager.tell(f"MAINPID={pid}")
                    await _either(running.retire(), wishes.to_end())
                log.info("gateway.draining", sessions=running.sessions, within_seconds=told.drain_seconds)
                stopping = asyncio.create_task(manager.draining(lambda: running.sessions))
                await running.drain()
                stopping.cancel()
                signs.cancel()
    except BaseException:
        await running.stop()
        raise
    log.info("gateway.stopped")


async def _either(*waits: Coroutine[None, None, None]) -> None:
    """Wait until one of *waits* is over, and give up the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
