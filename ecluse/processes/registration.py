"""A process under its name: claimed before it does anything by it, kept while it runs, given back at its end."""

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import structlog

from ecluse.errors import StartError
from ecluse.presence import Berth
from policy.clock import Clock
from policy.domain.programs import Program, ProgramKind
from policy.errors import PolicyError
from policy.services.programs import BEAT_SECONDS, ProgramService
from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES

LOOK_SECONDS: Final = 0.5
Raise = Callable[[str, dict[str, Any]], None]

log = structlog.get_logger()


@asynccontextmanager
async def registered(
    programs: ProgramService, kind: ProgramKind, node: str, clock: Clock, berth: Berth, raise_: Raise
) -> AsyncIterator[None]:
    """Hold the name *node* while the block runs; *raise_* takes alarms (``alarm.node_forged``, ``alarm.node_taken``).

    Raises StartError where another process holds it: a predecessor that ended without a word, but for one of this
    *berth*, is watched for a lease first. One that takes the name while this process runs ends it as SIGTERM does; the
    block is left with StartError then. Raises PolicyUnavailable.
    """
    now = clock.now()
    program = Program(
        kind=kind,
        node=node,
        claim=secrets.token_hex(16),
        host=socket.gethostname()[:255],
        pid=os.getpid(),
        version=version("ecluse"),
        policy_schema=POLICY.head,
        trace_schema=TRACES.head,
        started_at=now,
        beat_at=now,
    )
    keeper = _Keeper(programs, program, clock, raise_)
    await keeper.take(berth.left)
    berth.note(program.claim)
    beating = asyncio.create_task(keeper.keep())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        try:
            await programs.release(program)
        except PolicyError as error:
            log.warning("name.not_given_back", node=node, error=str(error))
    if keeper.lost is not None:
        raise _held("start.name_lost", keeper.lost, programs, clock)


class _Keeper:
    def __init__(self, programs: ProgramService, program: Program, clock: Clock, raise_: Raise) -> None:
        self._programs = programs
        self._program = program
        self._clock = clock
        self._raise = raise_
        self.lost: Program | None = None

    async def take(self, gone: str | None) -> None:
        """Take the name as soon as it is free. Raises StartError where whoever holds it lives."""
        first: Program | None = None
        end = time.monotonic() + self._programs.lease.total_seconds()
        while True:
            started = replace(self._program, beat_at=self._clock.now())
            naming = await self._programs.take(started, gone=gone, patient=time.monotonic() >= end)
            self._tell_forged(naming.forged)
            holder = naming.holder
            if holder is None:
                return
            if first is None:
                first = holder
                log.warning("name.held", **_facts(holder), advice="waiting whether it gives a sign of life")
            elif holder.beat_at > first.beat_at and holder.alive(self._clock.now(), self._programs.lease):
                raise _held("start.name_held", holder, self._programs, self._clock)
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Give signs of life until cancelled, or until another process has the name: then ask this one to end."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                naming = await self._programs.renew(self._program)
            except PolicyError as error:
                log.warning("name.not_renewed", node=self._program.node, error=str(error))
                continue
            self._tell_forged(naming.forged)
            if naming.holder is not None:
                self.lost = naming.holder
                log.critical("name.taken", **_facts(naming.holder), advice="two processes run under one name")
                self._raise("alarm.node_taken", _facts(naming.holder))
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def _tell_forged(self, forged: Program | None) -> None:
        if forged is not None:
            log.critical("name.forged", **_facts(forged), advice="somebody has a password of the database")
            self._raise("alarm.node_forged", _facts(forged))


def _facts(program: Program) -> dict[str, Any]:
    return {
        "program": str(program.kind),
        "node": program.node,
        "host": program.host,
        "pid": program.pid,
        "started_at": program.started_at.isoformat(timespec="seconds"),
    }


def _held(key: str, holder: Program, programs: ProgramService, clock: Clock) -> StartError:
    lapses = holder.lapses(clock.now(), programs.lease).total_seconds()
    return StartError(key, **_facts(holder), version=holder.version, seconds=max(1, round(lapses)))
