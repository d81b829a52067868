"""On a device whose account is not root's, sshd honours signals: what ran there ends with its session."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ecluse.demo.device_files import unprivileged_uid
from gateway.session import ending as session_end
from gateway.session import parting
from policy.domain.access import RevocationScope
from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root's sshd can serve another user's account"),
]

NOTES_SIGNALS = (
    "exec perl -MPOSIX -e '$| = 1; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGHUP, SIGTERM));"
    ' $SIG{$_} = sub { push @told, @_ } for qw(HUP TERM); print "ready\\n";'
    ' sigsuspend(POSIX::SigSet->new) until "@told" =~ /TERM/; open(T, ">told"); print T "$_\\n" for @told\''
)
"""A process that writes down each signal that reaches it, in order, once TERM has come. It takes them one at a time: a
shell whose TERM comes while it begins its trap of HUP runs that of TERM first, and ends without having noted HUP."""
TIDIES_UP = (
    "trap 'sleep 0.05; echo tidied >> ~/parted; exit' HUP; trap 'echo TERM >> ~/parted' TERM;"
    " echo ready; while :; do sleep 0.05; done"
)
"""A process that has something to put away when it hears HUP, and would hear TERM meanwhile."""
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
    assert b"ready" in await asyncio.wait_for(process.stdout.readline(), 60)
    return process


def give(monkeypatch: pytest.MonkeyPatch, hang_up: float, process: float) -> None:
    """Let TERM follow *hang_up* seconds after HUP, and *process* be all that a process has: it may wait for a processor."""
    monkeypatch.setattr(parting, "HANG_UP_SECONDS", hang_up)
    for each in (parting, session_end):
        monkeypatch.setattr(each, "PROCESS_SECONDS", process)


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
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch, ending: Ending, terminal: list[str]
) -> None:
    """However a session ends, HUP and then TERM reach its process, with a terminal and without, and it is gone."""
    give(monkeypatch, parting.HANG_UP_SECONDS, 60.0)
    process = await start(bastion, NOTES_SIGNALS, *terminal)
    assert bastion.device.processes()
    if ending is leave:
        process.kill()
    await ending(bastion)
    await asyncio.wait_for(process.communicate(), 60)
    told = bastion.device.home / "told"
    await eventually(lambda: told.exists() and told.read_text().endswith("TERM\n"))
    await bastion.closed()
    await eventually(lambda: not bastion.device.processes())
    assert told.read_text().split() == ["HUP", "TERM"]
    assert await bastion.events("session.process_survived") == []


async def test_each_channel_is_told_and_who_ignores_it_is_named(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of several processes on one connection each gets HUP, then TERM if it still runs; who ignores both is in the journal."""
    give(monkeypatch, 2.0, 4.0)
    shared = ["-o", f"ControlPath={tmp_path / 'mux'}"]
    first = await start(bastion, NOTES_SIGNALS, "-M", *shared)
    stubborn = "trap '' HUP TERM; echo ready; while :; do sleep 0.05; done # stubborn"
    second = await start(bastion, stubborn, *shared)
    third = await start(bastion, TIDIES_UP, *shared)
    await cut(bastion)
    for process in (first, second, third):
        await asyncio.wait_for(process.communicate(), 60)
    await bastion.closed()
    assert (bastion.device.home / "told").read_text().split() == ["HUP", "TERM"]
    assert (bastion.device.home / "parted").read_text() == "tidied\n"
    survived = await bastion.events("session.process_survived")
    assert [dict(entry.event.details)["command"] for entry in survived] == [stubborn]
