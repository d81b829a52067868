"""What must not open does not, says why, is journalled, and touches no device."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.trace.frames import FrameType, facts
from tests.support.bastion import NODE, Bastion, running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


class Counter:
    """A device that only counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        """Listen on *port*."""

        async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writer.close()

        self._server = await asyncio.start_server(count, "127.0.0.1", port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


async def test_outside_its_window_a_device_is_not_even_dialled(bastion: Bastion) -> None:
    """A closed window refuses with O3 and the next opening, exit status non-zero, and no connection is made."""
    await bastion.world.services.windows.cancel(
        bastion.world.who("dsi"), bastion.world.id, bastion.world.window.id, reason="another one"
    )
    await bastion.world.add_window(opens_in=timedelta(hours=3))
    port = bastion.device.port
    await bastion.device.stop()
    counter = Counter()
    await counter.start(port)
    ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    await counter.stop()
    assert ended.rc == 1
    assert ended.stdout == b""
    assert "PGSSIS-O3" in ended.said
    assert "15:00" in ended.said
    assert counter.connections == 0
    denied = await bastion.events("access.denied")
    assert len(denied) == 1
    assert bastion.sessions() == []


async def test_an_undeclared_source_is_refused(tmp_path: Path) -> None:
    """A source that is no site of the supplier is refused with C2."""
    async with running_bastion(tmp_path, networks=("192.0.2.0/24",)) as bastion:
        ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert ended.rc == 1
        assert "PGSSIS-C2" in ended.said


async def test_a_device_that_is_not_hers_answers_like_one_that_does_not_exist(bastion: Bastion) -> None:
    """An unknown device and a forbidden one give the same words (no oracle)."""
    await bastion.world.add_device("mri02")
    forbidden = await bastion.client.ssh("alice+mri02", "id", answers=bastion.answers())
    unknown = await bastion.client.ssh("alice+nothere", "id", answers=bastion.answers())
    assert forbidden.rc == unknown.rc == 1
    assert forbidden.said == unknown.said


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        (["-R", "0:127.0.0.1:1"], "tcpip-forward"),
        (["-R", "/tmp/ecluse.sock:127.0.0.1:1"], "streamlocal-forward@openssh.com"),
    ],
)
async def test_remote_forwarding_is_refused_and_told(bastion: Bastion, options: list[str], wire: str) -> None:
    """A listener on the device's side is refused, recorded as refused, and journalled."""
    await bastion.client.ssh("alice+scan01", "sleep 0.3", options=options, answers=bastion.answers())
    await bastion.closed()
    assert [dict(e.event.details)["request"] for e in await bastion.written("channel.refused")] == [wire]
    refused = [facts(f) for f in await bastion.frames() if f.type is FrameType.REFUSED]
    assert [one["request"] for one in refused] == [wire]


async def test_an_address_is_never_connected_to(bastion: Bastion) -> None:
    """Ssh -W to an address and a port opens no connection there, whatever the person may do on a device."""
    counter = Counter()
    await counter.start(0)
    assert counter._server is not None
    port = counter._server.sockets[0].getsockname()[1]
    command = bastion.client.command("alice+scan01", options=["-W", f"127.0.0.1:{port}"])
    ended = await bastion.client.run(command, answers=bastion.answers())
    await counter.stop()
    assert ended.rc != 0
    assert counter.connections == 0
    events = await bastion.written("channel.refused")
    assert [dict(e.event.details)["request"] for e in events] == ["direct-tcpip"]


async def test_the_key_agent_is_refused_on_standard_error(bastion: Bastion) -> None:
    """Agent forwarding does not pass; SSH has no field for a reason, so standard error says it."""
    agent = bastion.directory / "agent.sock"

    async def nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(nothing, agent)
    command = bastion.client.command(
        "alice+scan01", "echo agent=$SSH_AUTH_SOCK", options=["-A", "-o", f"IdentityAgent={agent}"]
    )
    ended = await bastion.client.run(command, answers=bastion.answers())
    server.close()
    await server.wait_closed()
    assert ended.stdout == b"agent=\n", ended.said
    assert "PGSSIS-E6" in ended.said
    await bastion.closed()
    refused = [facts(f) for f in await bastion.frames() if f.type is FrameType.REFUSED]
    assert [one["request"] for one in refused] == ["auth-agent-req@openssh.com"]


async def test_a_changed_host_key_blocks_and_alarms(bastion: Bastion) -> None:
    """A device that shows another key gets no secret; the person is told, the journal has the alarm."""
    bastion.device.replace_host_key()
    await bastion.device.restart()
    ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "scan01" in ended.said
    assert "clé" in ended.said
    await bastion.closed()
    assert await bastion.events("device.host_key_changed")
    assert await bastion.written("alarm.host_key_changed")
    assert "Accepted" not in bastion.device.log()


async def test_an_unreachable_device_is_told_as_such(bastion: Bastion) -> None:
    """A device that does not answer gives a clear message, and the session's trace is closed."""
    await bastion.device.stop()
    ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "ne répond pas" in ended.said
    await bastion.closed()
    assert len(bastion.sessions()) == 1


async def test_a_refused_secret_is_told_as_such(bastion: Bastion) -> None:
    """Where the device refuses the vaulted secret, the message says so and holds no secret."""
    shadow = bastion.device.home.parent / "etc" / "shadow"
    shadow.write_text(shadow.read_text().replace("maint:$6$", "maint:$6$x"))
    ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert ended.rc == 1
    assert "compte" in ended.said
    assert bastion.world.account_secret.reveal() not in ended.said


async def test_no_spool_no_session(bastion: Bastion) -> None:
    """Where nothing can be recorded, nothing is dialled, and an alarm is raised."""
    spool = bastion.directory / "traces" / "spool"
    moved = spool.with_name("moved")
    spool.rename(moved)
    spool.write_text("no folder")
    try:
        ended = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    finally:
        spool.unlink()
        moved.rename(spool)
    assert ended.rc == 1
    assert "enregistr" in ended.said
    assert "Accepted" not in bastion.device.log()
    await bastion.closed()
    assert await bastion.written("alarm.recording_unavailable")


async def test_sessions_of_a_person_are_limited(bastion: Bastion) -> None:
    """One session more than the limit is refused with X35, however the requests race."""
    first: list[asyncio.subprocess.Process] = []
    try:
        for _ in range(5):
            command = bastion.client.command("alice+scan01", "echo in; sleep 60")
            first.append(await bastion.client.start(command, answers=bastion.answers()))
            output = first[-1].stdout
            assert output is not None
            assert await asyncio.wait_for(output.readline(), 60) == b"in\n"
        answers = bastion.answers()
        await bastion.world.services.access.heartbeat(NODE)  # the clock has leapt past the leases
        refused = await bastion.client.ssh("alice+scan01", "id", answers=answers)
        assert refused.rc == 1
        assert "X35" in refused.said
    finally:
        for process in first:
            process.kill()
            await process.communicate()


async def test_channels_of_a_connection_are_limited(tmp_path: Path) -> None:
    """One channel more than the limit is refused with a reason; those open go on."""
    async with running_bastion(tmp_path, max_channels=2) as bastion:
        path = tmp_path / "mux"
        master = await bastion.client.start(
            bastion.client.command("alice+scan01", options=["-M", "-N", "-o", f"ControlPath={path}"]),
            answers=bastion.answers(),
        )
        await eventually(path.exists)
        mux = ["-o", f"ControlPath={path}"]
        command = bastion.client.command("alice+scan01", "echo in; cat", options=mux)
        running = [await bastion.client.start(command) for _ in range(2)]
        for process in running:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
        third = await bastion.client.ssh("alice+scan01", "id", options=[*mux, "-o", "BatchMode=yes"])
        assert third.rc != 0
        for process in running:
            out, _ = await process.communicate(b"still here")
            assert out == b"still here"
        master.terminate()
        await master.communicate()
