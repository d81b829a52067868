"""The supervisor keeps real processes alive."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from ecluse.supervise import Program, Supervisor
from tests.support.waiting import eventually

LIVE = "import os,sys,time,pathlib; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"


def living(name: str, mark: Path) -> Program:
    """A program that writes its pid to *mark* and stays."""
    return Program(name=name, arguments=(sys.executable, "-c", LIVE, str(mark)))


def pid_in(mark: Path) -> int:
    """The pid in *mark*, 0 while there is none."""
    return int(mark.read_text() or 0) if mark.exists() else 0


async def test_the_one_that_dies_is_started_again_and_the_other_is_left_alone(tmp_path: Path) -> None:
    """After a kill -9 the program runs again under another pid; its neighbour keeps its own."""
    first, second = tmp_path / "first", tmp_path / "second"
    supervisor = Supervisor([living("first", first), living("second", second)])
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: bool(pid_in(first) and pid_in(second)))
    victim, neighbour = pid_in(first), pid_in(second)
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: pid_in(first) not in {0, victim})
    assert pid_in(second) == neighbour
    supervisor.stop()
    await asyncio.wait_for(running, 10)


async def test_stop_ends_every_program(tmp_path: Path) -> None:
    """After ``stop`` no program is left."""
    mark = tmp_path / "only"
    supervisor = Supervisor([living("only", mark)])
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: bool(pid_in(mark)))
    pid = pid_in(mark)
    supervisor.stop()
    await asyncio.wait_for(running, 10)
    assert not Path(f"/proc/{pid}").exists()
