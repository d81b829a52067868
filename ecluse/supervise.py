"""Runs the gateway and the console as two processes and keeps both alive.

If one dies the other goes on: it is started again, after a pause that doubles while it keeps dying. One that can
never start is tried for ever, every 30 s: what keeps it from starting (a port, a key, a database) is often mended
without anybody at this machine, and the hospital's other half must not wait for that. The log says each time.
"""

import asyncio
import contextlib
import os
import pwd
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ecluse.errors import StartError
from ecluse.succession import SUPERVISOR

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
STOP_SECONDS = 20.0
DEATHS_TO_TELL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to keep alive: its name, arguments, and the user it runs under (None: the supervisor's)."""

    name: str
    arguments: Sequence[str]
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def programs(config: Path, gateway_user: str | None, console_user: str | None) -> tuple[Program, Program]:
    """Return the two programs of an installation whose settings are in *config*."""

    def program(name: str, user: str | None) -> Program:
        # -P: the folder one happens to stand in is never a place to import code from
        arguments = (sys.executable, "-P", "-m", "ecluse", name, "--config", str(config.resolve()))
        return Program(name=name, arguments=arguments, user=user)

    return program("gateway", gateway_user), program("console", console_user)


def check_users(*users: str | None) -> None:
    """Raise StartError where one of *users* (None: the supervisor's own) is unknown here or cannot be changed to."""
    for user in users:
        if user is None:
            continue
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise StartError("start.unknown_user", user=user) from None
        if os.geteuid() not in {0, account.pw_uid}:
            raise StartError("start.other_user", user=user)


class Supervisor:
    """Starts programs, starts again those that die, and stops them all together."""

    def __init__(self, chosen: Sequence[Program]) -> None:
        """Supervise *chosen*; nothing runs before ``run``."""
        self._programs = chosen
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end: each program gets SIGTERM and 20 s to drain before SIGKILL."""
        self._stopping.set()

    async def run(self) -> None:
        """Keep the programs alive until ``stop``; returns when all have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with asyncio.TaskGroup() as group:
            for program in self._programs:
                group.create_task(self._keep(program), name=program.name)

    async def _keep(self, program: Program) -> None:
        loop = asyncio.get_running_loop()
        pause, deaths = FIRST_PAUSE_SECONDS, 0
        while not self._stopping.is_set():
            started = loop.time()
            try:
                process = await self._start(program)
            except OSError as error:
                # its user may not run it, or it is being replaced: the other program goes on all the same
                log.warning(
                    "process.not_started", program=program.name, why=str(error), again_in_seconds=pause
                )
            else:
                log.info("process.started", program=program.name, pid=process.pid)
                if await self._asked_to_end(process):
                    await self._end(program, process)
                    return
                if loop.time() - started > STEADY_SECONDS:
                    pause, deaths = FIRST_PAUSE_SECONDS, 0
                status = process.returncode
                log.error("process.died", program=program.name, status=status, again_in_seconds=pause)
            deaths += 1
            if deaths >= DEATHS_TO_TELL:
                log.critical(
                    "process.cannot_start",
                    program=program.name,
                    starts=deaths,
                    advice="its own last log line says why; 'ecluse doctor' looks at the whole machine",
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _asked_to_end(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until *process* has died or the end is asked for; tell whether it is the latter."""
        ended = asyncio.ensure_future(process.wait())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return self._stopping.is_set()

    async def _start(self, program: Program) -> asyncio.subprocess.Process:
        options: dict[str, Any] = {}
        if os.geteuid() == 0 and program.user is not None:
            account = pwd.getpwnam(program.user)
            # with its own groups and none of root's
            groups = os.getgrouplist(program.user, account.pw_gid)
            options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
        # its own session: a Ctrl-C in the terminal reaches the supervisor alone, which then drains both
        return await asyncio.create_subprocess_exec(
            *program.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **program.environment, SUPERVISOR: str(os.getpid())},
            start_new_session=True,
            **options,
        )

    async def _end(self, program: Program, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("process.killed", program=program.name, after_seconds=STOP_SECONDS)
            process.kill()
            await process.wait()
        log.info("process.stopped", program=program.name, status=process.returncode)
