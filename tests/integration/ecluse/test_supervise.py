"""The supervisor keeps real processes alive."""

import asyncio
import os
import pwd
import signal
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ecluse.errors import StartError
from ecluse.supervise import Program, Supervisor, check_users
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
    await asyncio.wait_for(running, 60)


async def test_stop_ends_every_program(tmp_path: Path) -> None:
    """After ``stop`` no program is left."""
    mark = tmp_path / "only"
    supervisor = Supervisor([living("only", mark)])
    running = asyncio.create_task(supervisor.run())
    await eventually(lambda: bool(pid_in(mark)))
    pid = pid_in(mark)
    supervisor.stop()
    await asyncio.wait_for(running, 60)
    assert not Path(f"/proc/{pid}").exists()


async def test_one_that_can_never_start_is_said_so_while_the_other_serves(tmp_path: Path) -> None:
    """After a few deaths in a row the log says that it cannot start; its neighbour keeps its pid."""
    mark = tmp_path / "second"
    hopeless = Program(name="first", arguments=(sys.executable, "-c", "raise SystemExit(1)"))
    supervisor = Supervisor([hopeless, living("second", mark)])
    with capture_logs() as logged:
        running = asyncio.create_task(supervisor.run())
        await eventually(lambda: any(line["event"] == "process.cannot_start" for line in logged))
        await eventually(lambda: bool(pid_in(mark)))
        neighbour = pid_in(mark)
        supervisor.stop()
        await asyncio.wait_for(running, 60)
    pauses = [line["again_in_seconds"] for line in logged if line["event"] == "process.died"]
    assert pauses == sorted(pauses)
    assert {line["program"] for line in logged if line["event"] == "process.died"} == {"first"}
    assert [line["pid"] for line in logged if line.get("program") == "second" and "pid" in line] == [
        neighbour
    ]


async def test_a_program_that_may_not_be_run_takes_nobody_along(tmp_path: Path) -> None:
    """One whose file is missing or closed to its user is tried again, with one line in the log and no stack trace."""
    program, mark, late = tmp_path / "program", tmp_path / "second", tmp_path / "first"
    closed = Program(name="first", arguments=(str(program), str(late)))
    supervisor = Supervisor([closed, living("second", mark)])
    with capture_logs() as logged:
        running = asyncio.create_task(supervisor.run())
        await eventually(lambda: any(line["event"] == "process.not_started" for line in logged))
        await eventually(lambda: bool(pid_in(mark)))
        program.write_text(f"#!{sys.executable}\n{LIVE}\n")
        program.chmod(0o700)
        await eventually(lambda: bool(pid_in(late)))
        supervisor.stop()
        await asyncio.wait_for(running, 60)
    assert {line["program"] for line in logged if line["event"] == "process.not_started"} == {"first"}


def test_a_user_who_does_not_exist_is_refused_before_anything_starts() -> None:
    """No program is started under a user that this machine does not know; none named is well."""
    with pytest.raises(StartError) as refused:
        check_users(None, "no-such-user")
    assert refused.value.key == "start.unknown_user"
    check_users(None, pwd.getpwuid(os.geteuid()).pw_name)
