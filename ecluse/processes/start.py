"""How a server starts: what it looks at first, and how it says that it cannot."""

import asyncio
import errno
import resource
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import structlog

from ecluse import allocator, logs
from ecluse import settings as configuration
from ecluse.errors import EcluseError, StartError
from ecluse.private_files import exposed_mode, replaceable
from ecluse.settings import Settings
from ecluse.timekeepers import compare
from ecluse.wording import SPOKEN, spoken
from policy.clock import Clock
from policy.domain.people import Language
from policy.store.database import Database

log = structlog.get_logger()

Serve = Callable[[Settings], Awaitable[None]]


def run(program: str, config: Path | None, serve: Serve) -> None:
    """Read the settings in *config*, or where they are found, and *serve* until the end.

    Every log line carries the hospital, the node and the *program* from here on. Raises EcluseError for whatever
    keeps it from starting or going on, once it has been logged: there is one sentence, never a stack trace.
    """
    with started(program):
        settings = configuration.load(configuration.find(config))
        logs.configure(settings.log.level)
        structlog.contextvars.bind_contextvars(
            hospital=settings.hospital_id, node=settings.node, program=program
        )
        asyncio.run(_run(serve, settings))


@contextmanager
def started(program: str) -> Iterator[None]:
    """Prepare this process for what *program* does within, and log what keeps that from starting or going on.

    Raises EcluseError for it.
    """
    # a core file would hold secrets that the vault has opened
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # a connection is a file: what the system grants, and not the thousand that it begins with
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    allocator.bound()
    logs.configure("info")
    try:
        yield
    except (EcluseError, *SPOKEN) as error:
        _tell(program, spoken(error, Language.ENGLISH))
        raise
    except Exception as error:
        log.exception("process.failed", program=program)
        raise StartError("start.failed", program=program, why=type(error).__name__) from error


def _tell(program: str, error: EcluseError) -> None:
    log.error("process.not_started", program=program, reason=str(error))


async def _run(serve: Serve, settings: Settings) -> None:
    returning = asyncio.create_task(allocator.keep_returning())
    try:
        await serve(settings)
    finally:
        returning.cancel()


def check_secrets(paths: Iterable[Path]) -> None:
    """Raise StartError where one of the secret files *paths* is missing, or others can read or replace it."""
    for path in paths:
        try:
            mode, place = exposed_mode(path), replaceable(path)
        except OSError as error:
            raise StartError("start.unreadable", path=str(path), why=error.strerror) from error
        if mode is not None:
            raise StartError("start.exposed", path=str(path), mode=f"{mode:04o}")
        if place is not None:
            raise StartError("start.replaceable", path=str(path), directory=str(place))


async def check_clock(settings: Settings, database: Database, clock: Clock) -> None:
    """Raise StartError where this machine's clock is known to be wrong: windows, codes and traces go by it.

    A clock that nobody can be asked about is believed. ``start.despite_clock`` is logged, and obeyed.
    """
    bound = timedelta(seconds=settings.start.clock_seconds)
    for found in await compare(settings, database, clock):
        if found.unsure(bound):
            most = round(found.offset.farthest.total_seconds(), 1)
            log.warning("clock.not_compared", keeper=found.keeper, error=f"too slow: up to {most} s apart")
        if not found.beyond(bound):
            continue
        told = {"keeper": found.keeper, "seconds": round(found.drift.total_seconds(), 1)}
        if not settings.start.despite_clock:
            raise StartError("start.clock", **told, bound=settings.start.clock_seconds)
        log.critical("clock.wrong_and_started_all_the_same", **told)


@contextmanager
def listening(section: str, host: str, port: int, prefix: str = "") -> Iterator[None]:
    """Turn the errors of listening on *host* and *port* into StartErrors that name the settings of *section*.

    These are ``<prefix>host`` and ``<prefix>port`` there.
    """
    try:
        yield
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise StartError(
            "start.port_taken" if taken else "start.cannot_listen",
            place=f"{host}:{port}",
            setting=f"{section}.{prefix}",
            why=error.strerror or str(error),
        ) from error
