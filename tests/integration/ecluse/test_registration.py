"""A process takes its name before it serves, keeps it, and never shares it."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecluse.errors import StartError
from ecluse.presence import berth
from ecluse.processes import registration
from ecluse.processes.registration import registered
from policy.clock import SystemClock
from policy.domain.programs import Naming, Program, ProgramKind
from policy.services.programs import ProgramService
from policy.store.database import Database
from policy.vault.keyring import Keyring
from tests.support.schemas import policy_schema
from tests.support.waiting import eventually

CLOCK = SystemClock()
LEASE = timedelta(seconds=60)
SHORT = timedelta(seconds=1)
"""Where it has to run out."""


@pytest.fixture
async def programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[ProgramService]:
    """Names on a database of their own, a lease, short where a test says so, and signs of life that fit it."""
    monkeypatch.setattr(registration, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(registration, "LOOK_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path}/policy.sqlite"
    await policy_schema(url)
    database = await Database.open(url)
    yield ProgramService(
        database, Keyring.generate(tmp_path / "vault"), CLOCK, getattr(request, "param", LEASE)
    )
    await database.close()


class Machine:
    """Where processes run: its run directory, and the alarms that were raised."""

    def __init__(self, programs: ProgramService, run: Path) -> None:
        """Keep berths in *run*."""
        self.programs = programs
        self.run = run
        self.alarms: list[tuple[str, dict[str, Any]]] = []

    @asynccontextmanager
    async def process(self) -> AsyncIterator[None]:
        """Be the gateway node1 of this machine."""
        with berth(self.run, "gateway") as held:
            told = lambda name, facts: self.alarms.append((name, facts))  # noqa: E731 - one line, used once
            async with registered(self.programs, ProgramKind.GATEWAY, "node1", CLOCK, held, told):
                yield

    async def killed(self) -> None:
        """Be node1, and end without a word."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ProgramService, "release", _nothing)
            async with self.process():
                pass
        assert self.alarms == []


async def _nothing(_service: ProgramService, _program: Program) -> None:
    """Give no name back: what kill -9 leaves is a claim."""


async def test_a_second_process_of_one_name_does_not_start(programs: ProgramService, tmp_path: Path) -> None:
    """On another machine, from a copy of the folder: refused as soon as the first has given a sign of life, and told who."""
    first, second = Machine(programs, tmp_path / "run"), Machine(programs, tmp_path / "copy")
    async with first.process():
        shutil.copytree(first.run, second.run)
        with pytest.raises(StartError) as refused:
            async with asyncio.timeout(LEASE.total_seconds() / 2), second.process():
                pytest.fail("two processes have one name")
        said = {**refused.value.arguments}
        (holder,) = await programs.list()
        assert refused.value.key == "start.name_held"
        assert (said["node"], said["host"], said["pid"]) == ("node1", holder.host, holder.pid)
        assert said["started_at"] == holder.started_at.isoformat(timespec="seconds")
        assert said["seconds"] == 60
    async with second.process():
        pass


async def test_a_killed_process_starts_again_at_once(programs: ProgramService, tmp_path: Path) -> None:
    """Where it ran, its lock is gone with it: nobody waits for a lease."""
    machine = Machine(programs, tmp_path / "run")
    await machine.killed()
    async with asyncio.timeout(LEASE.total_seconds() / 2), machine.process():
        pass


@pytest.mark.parametrize("programs", [SHORT], indirect=True, ids=["short"])
async def test_another_machine_waits_for_a_killed_process(programs: ProgramService, tmp_path: Path) -> None:
    """It sees the claim alone, not whether its process lives: the name is free after a lease without a sign."""
    await Machine(programs, tmp_path / "run").killed()
    loop = asyncio.get_running_loop()
    before = loop.time()
    async with asyncio.timeout(60), Machine(programs, tmp_path / "other").process():
        assert loop.time() - before >= SHORT.total_seconds()


@pytest.mark.parametrize("programs", [SHORT], indirect=True, ids=["short"])
async def test_a_process_that_lost_its_name_ends(
    programs: ProgramService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off for longer than a lease, it finds another under its name: it is asked to end, tells who, and an alarm too."""
    machine, asked, back = Machine(programs, tmp_path / "run"), asyncio.Event(), asyncio.Event()
    loop, renew = asyncio.get_running_loop(), programs.renew
    loop.add_signal_handler(signal.SIGTERM, asked.set)

    async def run() -> None:
        async with machine.process():
            (ours,) = await programs.list()

            async def cut_off(program: Program) -> Naming:
                if program.claim == ours.claim:
                    await back.wait()
                return await renew(program)

            monkeypatch.setattr(programs, "renew", cut_off)
            async with Machine(programs, tmp_path / "other").process():
                back.set()
                await asyncio.wait_for(asked.wait(), 60)

    with pytest.raises(StartError) as ended:
        await run()
    loop.remove_signal_handler(signal.SIGTERM)
    assert ended.value.key == "start.name_lost"
    assert [name for name, _ in machine.alarms] == ["alarm.node_taken"]


async def test_what_a_database_password_alone_wrote_is_told_and_written_over(
    programs: ProgramService, tmp_path: Path
) -> None:
    """A claim without the vault's keys ends nobody: who has the name keeps it, and raises the alarm."""
    machine = Machine(programs, tmp_path / "run")
    async with machine.process():
        (true,) = await programs.list()
        async with programs._database.unit_of_work(None, CLOCK) as work:
            await work.programs.put(true, "0" * 64)
        await eventually(lambda: bool(machine.alarms))
        assert machine.alarms[0][0] == "alarm.node_forged"
        assert [each.proved for each in await programs.list()] == [True]


def test_a_copy_of_a_berth_tells_nothing(tmp_path: Path) -> None:
    """What a process noted is believed in the very file it locked, and by whoever locks it next alone."""
    with berth(tmp_path / "run", "gateway") as held:
        assert held.left is None
        held.note("claim")
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
    with berth(tmp_path / "run", "gateway") as held:
        assert (held.number, held.left) == (1, "claim")
    with berth(tmp_path / "copy", "gateway") as held:
        assert (held.number, held.left) == (1, None)
