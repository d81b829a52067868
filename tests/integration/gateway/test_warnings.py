"""What a person reads before and when her work is stopped, and what a narrowed window leaves her."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from policy.domain.windows import Channel, IdleRule
from policy.errors import PolicyUnavailable
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, make_gateway, running_bastion
from tests.support.raw_client import channel, logged_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


def commands(bastion: Bastion) -> list[bytes]:
    """Return the command lines of what runs for sessions on the device."""
    found = []
    for pid in bastion.device.processes():
        with suppress(OSError):  # it has ended since
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


async def narrow(bastion: Bastion, channels: Iterable[Channel]) -> None:
    """Leave the open window these *channels*, as a planner's change does in the store."""
    world = bastion.world
    async with world.services.database.unit_of_work(world.who("dsi"), bastion.clock) as work:
        window = await work.windows.get(world.id, world.window.id)
        less = replace(window, channels=frozenset(channels), version=window.version + 1)
        await work.windows.update(less)
        await work.emit("window.narrowed", world.id, window.id, {}, {})


async def test_silence_is_warned_of_a_minute_before(bastion: Bastion) -> None:
    """A minute before the idle limit she is told; a key starts it anew, and the next silence is told again."""
    async with bastion.shell() as terminal:
        supervisor = bastion.gateway._supervisor
        assert supervisor is not None
        (session,) = supervisor.sessions
        for _ in range(2):
            bastion.clock.advance(timedelta(minutes=8, seconds=55))
            bastion.clock.advance(timedelta(seconds=10))
            await terminal.expect("Sans activité".encode())
            terminal.send(b"echo $((40+2))\n")
            await terminal.expect(b"42\r\n")
            await eventually(lambda: not session.warned_of_silence)  # seen by the next look
    await bastion.closed()
    warned = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.WARNING]
    assert len(warned) == 2


async def test_a_short_limit_is_warned_of_by_a_fifth(tmp_path: Path) -> None:
    """Where a window allows two minutes of silence, the warning comes with its last fifth."""
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="another one")
        await world.add_window(idle=IdleRule(limit=timedelta(minutes=2)))
        async with bastion.shell() as terminal:
            bastion.clock.advance(timedelta(seconds=90))
            terminal.send(b"echo $((40+2))\n")
            await terminal.expect(b"42\r\n")
            assert "Sans activité".encode() not in terminal.seen
            bastion.clock.advance(timedelta(seconds=97))
            await terminal.expect("Sans activité".encode())


async def test_an_unreadable_policy_is_told(bastion: Bastion, monkeypatch: pytest.MonkeyPatch) -> None:
    """While authorisations cannot be checked, whoever is inside is told how long she may go on."""
    async with bastion.shell() as terminal:

        async def unreadable(*_arguments: object, **_named: object) -> None:
            raise PolicyUnavailable("the store is away")

        monkeypatch.setattr(bastion.world.services.access, "changes_since", unreadable)
        await terminal.expect("ne peuvent plus être vérifiées".encode())
        monkeypatch.undo()
        await bastion.written("alarm.policy_readable")
        terminal.send(b"exit\n")
        assert await terminal.wait() == 0


async def test_a_broken_transfer_is_told(bastion: Bastion) -> None:
    """Bytes that are no sftp end the channel with a sentence, a marker in the trace and a word in the journal."""
    async with logged_in(bastion) as connection:
        opened, heard = await channel(connection, subsystem="sftp")
        opened.write(b"\xff\xff\xff\xff" + b"x" * 100)
        await asyncio.wait_for(heard.closed.wait(), 60)
    assert "ne suit pas le protocole" in heard.err.decode()
    assert heard.status == 255
    await bastion.written("channel.stopped")
    await bastion.closed()
    markers = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.MARKER]
    assert [marker["kind"] for marker in markers] == ["protocol"]


async def test_a_narrowed_window_ends_what_it_no_longer_allows(bastion: Bastion) -> None:
    """When the right to a shell goes, the shell ends with its reason and its processes; a copy goes on."""
    async with logged_in(bastion) as connection:
        files, copied = await channel(connection, subsystem="sftp")
        terminal, shown = await channel(connection, term_type="xterm")
        await shown.until(b"maint@scan01")
        terminal.write(b"sleep 600\n")
        await shown.until(b"sleep 600")
        await narrow(bastion, [Channel.SFTP_UP, Channel.SFTP_DOWN])
        await asyncio.wait_for(shown.closed.wait(), 60)
        assert shown.status == 255
        assert "cette plage ne permet pas de terminal" in shown.out.decode()
        await eventually(lambda: b"sleep" not in b"".join(commands(bastion)))
        stopped = await bastion.written("channel.stopped")
        assert dict(stopped[0].event.details)["channel"] == 2
        files.write(b"\x00\x00\x00\x05\x01\x00\x00\x00\x03")  # INIT, version 3: the transfer is still there
        assert await copied.until(b"\x00\x00\x00\x03")
        assert bastion.gateway.sessions == 1
        refused = await connection.run("id", check=False)
        assert refused.exit_status != 0
        await narrow(bastion, [Channel.EXEC])
        await asyncio.wait_for(copied.closed.wait(), 60)


async def test_a_clock_that_steps_back_gives_no_time(bastion: Bastion) -> None:
    """The wall clock steps back by a day in the middle of a session: it ends when its time has really passed."""
    seconds = [0.0]
    port = bastion.gateway.port
    await bastion.gateway.stop()
    settings = replace(bastion.gateway.settings, port=port)
    bastion.gateway = make_gateway(bastion, settings, monotonic=lambda: seconds[0])
    await bastion.gateway.start()
    async with bastion.shell() as terminal:
        end = bastion.world.window.occurrences[0].end
        left = (end - bastion.clock.now()).total_seconds()
        bastion.clock.advance(-timedelta(days=1))
        for _ in range(11):  # in steps below the idle limit, a key each
            seconds[0] += (left - 20) / 11
            terminal.send(b"echo $((40+2))\n")
            await terminal.expect(b"42\r\n")
        await terminal.expect(b"1 minute")
        assert bastion.gateway.sessions == 1
        seconds[0] += 20
        await terminal.expect("plage est terminée".encode())
        assert await terminal.wait() == 255


async def test_a_drain_is_told_in_the_menu(tmp_path: Path) -> None:
    """Who is still choosing when the gateway closes reads why, and is not left waiting."""
    async with running_bastion(tmp_path, drain_seconds=30.0) as bastion:
        command = bastion.client.command("alice", options=["-tt"])
        async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
            await terminal.expect(b"scan01")
            async with asyncio.timeout(20):  # not the 30 s that sessions are given
                await bastion.gateway.drain()
            await terminal.expect("la passerelle redémarre".encode())
            assert await terminal.wait() == 0
        await eventually(lambda: bastion.gateway.connections == 0)
