"""``ecluse gateway``: the SSH side, in the foreground."""

import asyncio

import structlog
import typer

from ecluse import composition, logs
from ecluse.alarms import JournalAlarms
from ecluse.commands.config import ConfigOption, load
from ecluse.presence import announced
from ecluse.settings import Settings
from ecluse.stopping import stop_requested
from gateway.server.listener import Gateway
from gateway.target.dial import Dialler
from gateway.target.tasks import TaskRunner
from policy import i18n, services
from policy.clock import SystemClock
from recorder.audit.journal import Journal
from recorder.capture.spool import Recorder

log = structlog.get_logger()


def register(root: typer.Typer) -> None:
    """Add the command to the tree."""
    root.command("gateway")(gateway)


def gateway(config: ConfigOption = None) -> None:
    """Run the gateway alone: technicians' connections, the spool, the devices. SIGTERM drains it.

    Example: ecluse gateway --config /etc/ecluse/ecluse.toml
    """
    settings = load(config)
    logs.configure(settings.log.level)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    clock = SystemClock()
    built = await services.build(composition.policy_settings(settings), clock)
    alarms = JournalAlarms(settings.hospital_id, clock.now)
    recorder = Recorder(
        composition.recorder_settings(settings), node=settings.node, now=clock.now, on_alarm=alarms
    )
    journal = alarms.journal = Journal(recorder.database, node=settings.node, now=clock.now)
    told = composition.gateway_settings(settings)
    running = Gateway(told, built, recorder, journal, clock)
    tasks = TaskRunner(
        built.device_tasks,
        Dialler(built.vault, told.connect_timeout_seconds),
        journal,
        i18n.load("gateway"),
        clock,
        node=settings.node,
    )
    await recorder.start()
    await running.start()
    tasks.start()
    log.info("gateway.ready", host=told.host, port=running.port)
    with announced(settings.run_directory, "gateway", running.port):
        await stop_requested()
        await tasks.stop()
        await running.drain()
    await recorder.stop()
    await built.close()
