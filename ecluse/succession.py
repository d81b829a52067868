"""How a gateway is replaced while it runs: its successor listens on the same sockets before it stops to listen itself.

The successor is the same command, as it is installed by now, under the same service manager. Until it says that it is
ready nothing changes; one that cannot start leaves everything as it was.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from ecluse.presence import pid_of
from ecluse.service_manager import INHERITED

SUPERVISOR = "ECLUSE_SUPERVISOR"
"""The pid of the ``ecluse serve`` that keeps this process alive, in its environment."""
START_SECONDS = 60.0
_LOOK_SECONDS = 0.1

log = structlog.get_logger()


def own_command() -> list[str]:
    """Return how this process was started. A command of its own may lead to another version by now, and that is meant."""
    program = sys.argv[0]
    if Path(program).suffix != ".py" and os.access(program, os.X_OK):
        return list(sys.argv)
    return [sys.executable, *sys.orig_argv[1:]]


def replaceable() -> bool:
    """Whether a successor would be left alone: ``ecluse serve`` would start one more once this process ends."""
    kept = os.environ.get(SUPERVISOR) == str(os.getppid())
    if kept:
        log.warning("successor.not_started", advice="'ecluse serve' keeps this one alive: restart that")
    return not kept


async def successor(
    program: str, directory: Path, sockets: Sequence[int], environment: Mapping[str, str]
) -> int | None:
    """Start this process's own command anew, on the descriptors *sockets*; return its pid once it is ready.

    It announces itself as *program* in *directory*, and becomes nobody's child, so that the service manager notices
    its end. None where it is not ready in time: the log says why.
    """
    before = pid_of(directory, program)
    inherited = ",".join(str(number) for number in sockets)
    try:
        keeper = await asyncio.create_subprocess_exec(
            *("setsid", "--fork", "--wait", *own_command()),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=tuple(sockets),
            env={**os.environ, **environment, INHERITED: inherited},
        )
    except OSError as error:
        log.warning("successor.not_started", error=str(error))
        return None
    ended = asyncio.ensure_future(keeper.wait())
    end = asyncio.get_running_loop().time() + START_SECONDS
    while (found := pid_of(directory, program)) in {before, None}:
        await asyncio.wait({ended}, timeout=_LOOK_SECONDS)
        if ended.done() or asyncio.get_running_loop().time() >= end:
            log.warning("successor.not_ready", advice="its own last log line says why")
            found = None
            break
    if not ended.done():
        keeper.kill()  # who waits for the successor as its parent: an orphan is the service manager's
        await ended
    return found
