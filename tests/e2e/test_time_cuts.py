"""Whatever withdraws access ends what is under way, says why, and leaves no process behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.access import RevocationScope
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion
from tests.support.ssh_client import Terminal
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

PROMPT = b"maint@scan01"


@asynccontextmanager
async def shell(bastion: Bastion, user: str = "alice+scan01") -> AsyncIterator[Terminal]:
    """Alice's shell on the device, at its prompt, with a process in the background."""
    command = bastion.client.command(user, options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        if user == "alice":
            await terminal.expect(b"scan01")
            terminal.send(b"1\r")
        await terminal.expect(PROMPT)
        terminal.send(b"sleep 600 &\n")
        await terminal.expect(b"[1]")
        yield terminal


async def cut(bastion: Bastion) -> None:
    """Cut every session of the device."""
    world = bastion.world
    await world.services.revocations.cut(
        world.who("rssi"), world.id, RevocationScope.DEVICE, world.device.id, "Exercice"
    )


async def suspend_supplier(bastion: Bastion) -> None:
    """Suspend alice's employer."""
    world = bastion.world
    await world.services.suppliers.suspend(world.who("dsi"), world.id, world.supplier.id, reason="Audit")


async def suspend_person(bastion: Bastion) -> None:
    """Suspend alice."""
    world = bastion.world
    await world.services.people.suspend(world.who("dsi"), world.id, world.who("alice"), reason="Départ")


async def suspend_device(bastion: Bastion) -> None:
    """Suspend the device."""
    world = bastion.world
    await world.services.devices.suspend(world.who("dsi"), world.id, world.device.id, reason="Panne")


async def cancel_window(bastion: Bastion) -> None:
    """Cancel the window that is open."""
    world = bastion.world
    await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="Urgence")


async def shorten_window(bastion: Bastion) -> None:
    """Let the window end now."""
    world = bastion.world
    end = bastion.clock.now() - timedelta(seconds=1)
    await world.services.windows.shorten(world.who("dsi"), world.id, world.window.id, end=end)


@pytest.mark.parametrize(
    ("withdraw", "told", "reason"),
    [
        (cut, "Exercice", "cut"),
        (suspend_supplier, "fournisseur", "refused"),
        (suspend_person, "n’est plus autorisé", "refused"),
        (suspend_device, "équipement", "refused"),
        (cancel_window, "plage", "refused"),
        (shorten_window, "plage", "window"),
    ],
    ids=["cut", "supplier", "person", "device", "cancelled", "shortened"],
)
@pytest.mark.parametrize("user", ["alice+scan01", "alice"], ids=["direct", "by the menu"])
async def test_withdrawn_access_ends_a_shell(
    bastion: Bastion, withdraw: Callable[[Bastion], Awaitable[None]], told: str, reason: str, user: str
) -> None:
    """The terminal says why, the client ends, nothing of the session runs on the device, and the journal has the reason."""
    async with shell(bastion, user) as terminal:
        await withdraw(bastion)
        assert await terminal.wait() == 255
        await eventually(lambda: not bastion.device.processes())
        last = terminal.seen.decode().rsplit("[1]", 1)[1]
        assert told in last, last
        assert "RSSI, poste 4242" in last
    await bastion.closed()
    [closed] = await bastion.events("session.closed")
    assert closed.event.details["reason"] == reason


async def test_a_cut_ends_every_channel_of_a_connection(bastion: Bastion, tmp_path: Path) -> None:
    """A shell, a command and an sftp put that share one connection end together, each told on its own channel."""
    path = tmp_path / "mux"
    mux = ["-o", f"ControlPath={path}"]
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(2_000_000_000)
    master = bastion.client.command("alice+scan01", options=["-tt", "-M", *mux])
    async with bastion.client.terminal(master, answers=bastion.answers()) as terminal:
        await terminal.expect(PROMPT)
        run = await bastion.client.start(bastion.client.command("alice+scan01", "cat", options=mux))
        put = await bastion.client.start(
            ["sftp", "-l", "80000", *mux, *bastion.client.options(), "alice+scan01@127.0.0.1"]
        )
        assert put.stdin is not None
        target = bastion.device.home / "big"
        put.stdin.write(f"put {big} {target}\n".encode())
        await eventually(lambda: target.exists() and target.stat().st_size > 100_000)
        await cut(bastion)
        assert await asyncio.wait_for(run.wait(), 60) == 255
        _, err = await run.communicate()
        _, sftp_err = await asyncio.wait_for(put.communicate(b""), 60)
        assert await terminal.wait() == 255
        await eventually(lambda: not bastion.device.processes())
    assert "Exercice" in err.decode()
    assert "Exercice" in sftp_err.decode()
    assert "Exercice" in terminal.seen.decode()
    frames = await bastion.frames()
    files = [facts(frame) for frame in frames if frame.type is FrameType.FILE]
    assert files[-1]["result"] == "unfinished"


async def test_a_cut_of_one_session_leaves_the_other(bastion: Bastion) -> None:
    """Cutting one session by its id ends that one alone."""
    world = bastion.world
    async with shell(bastion) as first, shell(bastion) as second:
        opened = await bastion.events("session.opened")
        target = str(opened[0].event.session_id)
        await world.services.revocations.cut(
            world.who("rssi"), world.id, RevocationScope.SESSION, target, "Exercice"
        )
        assert await first.wait() == 255
        second.send(b"echo still-$((40+2))\n")
        await second.expect(b"still-42")


async def test_nothing_opens_on_a_live_connection_after_a_suspension(
    bastion: Bastion, tmp_path: Path
) -> None:
    """A connection that stays open gives no new channel once access is withdrawn."""
    path = tmp_path / "mux"
    mux = ["-o", f"ControlPath={path}"]
    master = await bastion.client.start(
        bastion.client.command("alice+scan01", options=["-M", "-N", *mux]), answers=bastion.answers()
    )
    await eventually(path.exists)
    first = await bastion.client.ssh("alice+scan01", "echo in", options=mux)
    assert first.stdout == b"in\n"
    await suspend_person(bastion)
    await bastion.closed()
    second = await bastion.client.ssh(
        "alice+scan01", "echo in", options=[*mux, "-o", "NumberOfPasswordPrompts=0"]
    )
    assert second.rc != 0
    assert second.stdout == b""
    if master.returncode is None:
        master.terminate()
    await master.communicate()


async def test_an_extension_lets_it_go_on(bastion: Bastion) -> None:
    """A window extended by somebody else is told, outlives its first end, and warns again before the new one."""
    world = bastion.world
    end = world.window.occurrences[0].end
    later = end + timedelta(hours=1)
    async with shell(bastion) as terminal:
        await bastion.work(terminal, end - timedelta(minutes=13))
        bastion.clock.set(end - timedelta(minutes=5))
        terminal.send(b"\n")
        await terminal.expect(b"5 minutes")
        await world.services.windows.extend(world.who("denis"), world.id, world.window.id, end=later)
        await terminal.expect("La plage a été modifiée".encode())
        (session,) = bastion.gateway._supervisor.sessions  # type: ignore[union-attr]  # it has started
        await eventually(lambda: not session.warned)
        bastion.clock.set(end + timedelta(minutes=1))
        terminal.send(b"echo on-$((40+2))\n")
        await terminal.expect(b"on-42")
        for minute in range(2, 50, 8):
            bastion.clock.set(end + timedelta(minutes=minute))
            terminal.send(b"echo at-$((%d+1))\n" % minute)
            await terminal.expect(b"at-%d\r\n" % (minute + 1))
        bastion.clock.set(later - timedelta(minutes=10))
        await terminal.expect(b"10 minutes")
        bastion.clock.set(later)
        assert await terminal.wait() == 255


async def test_a_stuck_terminal_does_not_outlive_its_window(bastion: Bastion) -> None:
    """A terminal that reads nothing is closed all the same at the window's end, and its flood with it."""
    async with shell(bastion) as terminal:
        terminal.send(b"yes\n")
        await terminal.expect(b"y\r\n" * 1000)
        terminal.stop_reading()
        bastion.clock.set(bastion.world.window.occurrences[0].end)
        started = time.monotonic()
        await eventually(lambda: not bastion.device.processes())
        await bastion.closed()
        assert time.monotonic() - started <= 20  # a client that is dead is found out after 45 s


async def test_keep_alives_and_resizes_are_no_activity(bastion: Bastion) -> None:
    """A silent terminal is idle however often its client shows that it lives and changes its size."""
    command = bastion.client.command("alice+scan01", options=["-tt", "-o", "ServerAliveInterval=1"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(PROMPT)
        terminal.send(b"sh -c \"trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done\"\n")
        await terminal.expect(b"ready\r\n")
        for rows in (30, 31, 32):
            bastion.clock.advance(timedelta(minutes=3))
            terminal.resize(rows, 99)
            await terminal.expect(b"%d 99" % rows)
        assert terminal.process.returncode is None
        bastion.clock.advance(timedelta(minutes=2))
        assert await terminal.wait() == 255
        assert "aucune activité" in terminal.seen.decode()
