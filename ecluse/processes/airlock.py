"""The processes of the two-tier lock. Neither opens a database or a spool, and neither knows a secret but its own key."""

import asyncio
from pathlib import Path

import structlog

from ecluse import airlock
from ecluse.airlock import AirlockFile
from ecluse.errors import StartError
from ecluse.processes.start import check_secrets, listening, started
from ecluse.service_manager import ServiceManager, handed_over
from ecluse.stopping import stop_requested
from gateway.airlock.front import Front
from gateway.airlock.relay import Relay
from gateway.airlock.settings import FrontSettings
from policy.clock import SystemClock

log = structlog.get_logger()


def run_front(config: Path) -> None:
    """Serve as the front by the settings in *config* until SIGTERM or SIGINT. Raises EcluseError."""
    with started("airlock-front"):
        chosen, folder = _read(config)
        if chosen.front is None:
            raise StartError("airlock.no_side", path=str(config), side="front")
        asyncio.run(_front(airlock.front_settings(chosen.front, folder)))


def run_relay(config: Path) -> None:
    """Serve as the relay by the settings in *config* until SIGTERM or SIGINT. Raises EcluseError."""
    with started("airlock-relay"):
        chosen, folder = _read(config)
        if chosen.relay is None:
            raise StartError("airlock.no_side", path=str(config), side="relay")
        relay = Relay(airlock.relay_settings(chosen.relay, folder))
        asyncio.run(_relay(relay, chosen.relay.fronts))


def _read(config: Path) -> tuple[AirlockFile, Path]:
    chosen, folder = airlock.load(config), config.resolve().parent
    check_secrets(airlock.secrets(chosen, folder))
    now = SystemClock().now()
    for path in airlock.certificate_files(chosen):
        end = airlock.ends(folder / path)
        if end - now < airlock.SOON:
            log.warning("airlock.certificate_ends", path=str(folder / path), at=end.isoformat())
    return chosen, folder


async def _front(settings: FrontSettings) -> None:
    front = Front(settings)
    with listening("front", settings.host, settings.port):
        await front.start(handed_over())
    log.info("airlock.front_ready", port=front.port, relay_port=front.relay_port)
    await _until_drained(front)


async def _relay(relay: Relay, fronts: tuple[str, ...]) -> None:
    relay.start()
    log.info("airlock.relay_ready", fronts=list(fronts))
    await _until_drained(relay)


async def _until_drained(side: Front | Relay) -> None:
    """Serve until the end is asked for, then until the clients have left; the service manager is told how it goes."""
    manager = ServiceManager()
    manager.tell("READY=1")
    signs = asyncio.create_task(manager.signs_of_life())
    await stop_requested()
    log.info("airlock.draining", clients=side.clients)
    stopping = asyncio.create_task(manager.draining(lambda: side.clients))
    await side.drain()
    stopping.cancel()
    signs.cancel()
