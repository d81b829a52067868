"""Sessions end when they must: idle, at the window's end, cut, unrecordable, unreadable; processes included."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.session import ending
from policy.domain.access import RevocationScope
from policy.domain.windows import IdleRule
from policy.errors import PolicyUnavailable
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


async def reason(bastion: Bastion) -> str:
    """Return the one closed session's reason."""
    await bastion.closed()
    ends = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.END]
    return str(ends[0]["reason"])


async def cut(bastion: Bastion, words: str) -> None:
    """Cut everything of alice's."""
    await bastion.world.services.revocations.cut(
        bastion.world.who("rssi"), bastion.world.id, RevocationScope.PERSON, bastion.world.who("alice"), words
    )


async def test_a_silent_terminal_is_idle_whatever_the_device_prints(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal only keystrokes count: a device that prints all the time does not keep a session alive."""
    monkeypatch.setattr(ending, "HANG_UP_SECONDS", 60.0)  # the device may wait for a processor
    async with bastion.shell() as terminal:
        terminal.send(b"while :; do echo tick; sleep 0.05; done\n")
        await terminal.expect(b"tick\r\n")
        bastion.clock.advance(timedelta(minutes=9))
        terminal.send(b"x")
        await terminal.expect(b"x")  # the device's terminal shows it: the gateway has had it
        bastion.clock.advance(timedelta(minutes=10, seconds=1))
        await terminal.expect("activité".encode())
        assert await terminal.wait() == 255
    assert await reason(bastion) == "idle"
    assert (
        await bastion.events("session.process_survived") == []
    )  # deaf to signals, as root's, it ended with its terminal


async def test_output_counts_up_to_a_ceiling_where_the_planner_says_so(tmp_path: Path) -> None:
    """A window may let output count, so that a long build is not cut, but never beyond its ceiling."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="another one")
        minutes = timedelta(minutes=1)
        await world.add_window(idle=IdleRule(limit=2 * minutes, output_counts=True, ceiling=6 * minutes))
        async with bastion.shell() as terminal:
            now = bastion.device.home / "now"
            terminal.send(b"while :; do cat now; sleep 0.05; done\n")
            for minute in range(6):
                now.write_text(f"at {minute}\n")  # shown after the clock has moved, whatever was on its way
                await terminal.expect(b"at %d\r\n" % minute)
                bastion.clock.advance(minutes)
            assert bastion.gateway.sessions == 1
            bastion.clock.advance(2 * minutes)
            assert await terminal.wait() == 255
        assert await reason(bastion) == "idle"


async def test_without_a_terminal_any_byte_is_life(bastion: Bastion) -> None:
    """A command without terminal lives while bytes pass either way, and is cut when none does."""
    command = bastion.client.command("alice+scan01", "cat; sleep 600")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(3):
        process.stdin.write(b"x\n")
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"x\n"
        bastion.clock.advance(timedelta(minutes=9))
    process.stdin.write(b"y\n")
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"y\n"
    bastion.clock.advance(timedelta(minutes=11))
    _out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 255
    assert "activité" in err.decode()
    assert await reason(bastion) == "idle"


async def test_the_windows_end_is_announced_and_kept_in_mid_transfer(bastion: Bastion) -> None:
    """Warnings come 10, 5 and 1 minute before; at the end a running dd is closed and its process gone."""
    async with bastion.shell() as terminal:
        end = bastion.world.window.occurrences[0].end
        await bastion.work(terminal, end - timedelta(minutes=18))
        for minutes in (10, 5, 1):
            bastion.clock.set(end - timedelta(minutes=minutes))
            terminal.send(b"\n")
            await terminal.expect(f"{minutes} minute".encode())
        terminal.send(b"dd if=/dev/zero bs=64k\n")
        await terminal.expect(b"\0" * 1000)
        terminal.seen = b""
        terminal._looked = 0
        bastion.clock.set(end)
        await terminal.expect(b"plage")
        assert await terminal.wait() == 255
    assert await reason(bastion) == "window"
    await eventually(lambda: not bastion.device.processes())
    warned = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.WARNING]
    assert len(warned) == 3


async def test_the_windows_end_stops_an_upload(bastion: Bastion, tmp_path: Path) -> None:
    """An sftp put under way at the window's end is cut, and no sftp server is left on the device."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(2_000_000_000)
    command = ["sftp", "-l", "80000", *bastion.client.options(), "-P", str(bastion.gateway.port)]
    process = await bastion.client.start([*command, "alice+scan01@127.0.0.1"], answers=bastion.answers())
    assert process.stdin is not None
    process.stdin.write(f"put {big} {bastion.device.home}/big\n".encode())
    target = bastion.device.home / "big"
    await eventually(lambda: target.exists() and target.stat().st_size > 100_000)
    bastion.clock.set(bastion.world.window.occurrences[0].end)
    await asyncio.wait_for(process.communicate(), 60)
    assert await reason(bastion) == "window"
    await eventually(lambda: not bastion.device.processes())
    files = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.FILE]
    assert files[-1]["result"] == "unfinished"


async def test_a_process_that_ignores_signals_is_named(bastion: Bastion) -> None:
    """A process that outlives HUP and TERM is named in the journal, with its command."""
    command = bastion.client.command("alice+scan01", "trap '' HUP TERM; echo in; exec 2>&- ; sleep 600")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    await cut(bastion, "Fin")
    await asyncio.wait_for(process.communicate(), 60)
    await bastion.closed()
    survived = await bastion.events("session.process_survived")
    assert "sleep 600" in str(dict(survived[0].event.details)["command"])


async def test_a_client_that_reads_nothing_is_cut_all_the_same(bastion: Bastion) -> None:
    """A stopped reader does not hold up the end: its channel is aborted within the bound."""
    command = bastion.client.command("alice+scan01", "yes")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(20):  # a client that is dead is found out after 45 s
        await cut(bastion, "Fin")
        await bastion.closed()
    await eventually(lambda: not bastion.device.processes())
    process.kill()
    process.send_signal(signal.SIGCONT)
    await process.communicate()


async def test_a_broken_recording_ends_the_session_at_once(bastion: Bastion) -> None:
    """When the trace can take no more, nothing more passes, and the session ends with its reason."""
    async with bastion.shell() as terminal:
        (recording,) = bastion.recorder._live
        recording.fail(OSError("no space left on device"))
        terminal.send(b"echo must-not-run > ~/ran\n")
        assert await terminal.wait() == 255
        assert "enregistr" in terminal.seen.decode()
    await bastion.closed()
    assert not (bastion.device.home / "ran").exists()
    assert await bastion.written("alarm.recording_failed")


async def test_an_unreadable_policy_is_a_grace_then_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing opens while policy cannot be read; live sessions run on for the grace, with an alarm, then end."""
    async with running_bastion(tmp_path, policy_grace_seconds=300.0) as bastion, bastion.shell() as terminal:
        access = bastion.world.services.access

        async def unreadable(*_arguments: object, **_named: object) -> Any:
            raise PolicyUnavailable("the store is away")

        for name in ("decide", "recheck", "changes_since"):
            monkeypatch.setattr(access, name, unreadable)
        await bastion.written("alarm.policy_unreadable")
        refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert refused.rc == 1
        terminal.send(b"echo alive-$((40+2))\n")
        await terminal.expect(b"alive-42")
        bastion.clock.advance(timedelta(seconds=301))
        terminal.send(b"\n")
        assert await terminal.wait() == 255
        await bastion.closed()
        ends = [facts(f) for f in await bastion.frames(bastion.sessions()[0]) if f.type is FrameType.END]
        assert ends[0]["reason"] == "policy"


async def test_a_drain_tells_waits_and_ends(tmp_path: Path) -> None:
    """A drain refuses new channels, tells who is inside, and ends them after the delay."""
    async with running_bastion(tmp_path, drain_seconds=1.0) as bastion, bastion.shell() as terminal:
        draining = asyncio.create_task(bastion.gateway.drain())
        await terminal.expect("redémarrer".encode())
        assert await terminal.wait() == 255
        await draining
        assert await reason(bastion) == "drain"


async def test_the_menu_closes_with_the_last_window(bastion: Bastion) -> None:
    """The menu lists what is open, opens a choice, and is closed when its last window ends."""
    command = bastion.client.command("alice", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"scan01")
        terminal.send(b"1\r")
        await terminal.expect(b"maint@scan01")
        terminal.send(b"exit 4\n")
        assert await terminal.wait() == 4
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"scan01")
        bastion.clock.set(bastion.world.window.occurrences[0].end)
        assert await terminal.wait() == 0


async def test_the_menu_has_a_greatest_age(tmp_path: Path) -> None:
    """However much is typed, the menu says once that it is about to close, keeps what was typed, and then closes."""
    async with running_bastion(tmp_path, menu_seconds=100.0) as bastion:
        command = bastion.client.command("alice", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"scan01")
            terminal.send(b"sc")
            await terminal.expect(b"> sc")
            bastion.clock.advance(timedelta(seconds=60))
            await terminal.expect("Le menu se ferme dans 40\u00a0secondes".encode())
            await terminal.expect(b"> sc")
            bastion.clock.advance(timedelta(seconds=39))
            terminal.send(b"a")
            await terminal.expect(b"a")
            bastion.clock.advance(timedelta(seconds=1))
            terminal.send(b"n01\r")
            await terminal.expect(b"il reste ouvert")
            assert await terminal.wait() == 0
            assert terminal.seen.count(b"se ferme dans") == 1
        assert bastion.sessions() == []


async def test_plain_commands_without_a_device(bastion: Bastion) -> None:
    """list, why and help answer without a terminal, and sftp without a device is told to name one."""
    listed = await bastion.client.ssh("alice", "list", answers=bastion.answers())
    assert (listed.rc, b"scan01" in listed.stdout) == (0, True)
    why = await bastion.client.ssh("alice", "why", "scan01", answers=bastion.answers())
    assert why.rc == 0, why.said
    nowhere = await bastion.client.ssh("alice", "sftp", options=["-s"], answers=bastion.answers())
    assert nowhere.rc == 1
    assert "alice+" in nowhere.said


async def test_sessions_do_not_outlive_their_supervision(bastion: Bastion) -> None:
    """Should a loop that looks after sessions ever end, all sessions end with an alarm, and none opens."""
    async with bastion.shell() as terminal:
        supervisor = bastion.gateway._supervisor
        assert supervisor is not None
        supervisor._loops[1].cancel()
        assert await terminal.wait() == 255
    await bastion.closed()
    assert await bastion.written("alarm.supervision_failed")
    refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert refused.rc != 0
    assert refused.stdout == b""


async def test_a_shortened_window_is_told_and_held(bastion: Bastion) -> None:
    """When the window's end moves while it is open, the person is told, and the session ends at the new end."""
    async with bastion.shell() as terminal:
        window = bastion.world.window
        before = window.occurrences[0].end
        await bastion.world.services.windows.shorten(
            bastion.world.who("dsi"), bastion.world.id, window.id, end=before - timedelta(minutes=30)
        )
        await terminal.expect(b"13:00")
        bastion.clock.set(before - timedelta(minutes=30))
        assert await terminal.wait() == 255
    assert await reason(bastion) == "window"
