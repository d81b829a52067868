"""A forwarded port leads to the device's own named ports and nowhere else, whatever is asked for and how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32

from policy.domain.access import RevocationScope
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.device_service import Service, bastion_with_port, service
from tests.support.raw_client import channel, logged_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
Running = tuple[Bastion, Service]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A bastion whose window lets one port through, and the service there."""
    async with bastion_with_port(tmp_path) as made:
        yield made


async def refused(
    connection: asyncssh.SSHClientConnection, host: str, port: int
) -> asyncssh.ChannelOpenError:
    """Ask for *host* and *port*, and return the refusal."""
    with pytest.raises(asyncssh.ChannelOpenError) as caught:
        await connection.open_connection(host, port)
    return caught.value


DESTINATIONS = [
    "10.0.0.1",
    "192.0.2.1",
    "127.0.0.2",
    "127.1",
    "127.0.0.1.",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "0:0:0:0:0:0:0:1",
    "[::1]",
    "::1%lo",
    "fe80::1",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "localhost\x00.example",
    " localhost",
    "ip6-localhost",
    "scan02",
    "SCAN01",
    "scan01.",
    "scan01@other",
    "bastion",
    "example.org",
    "",
    "x" * 5000,
]


async def test_no_other_machine_is_reached_by_any_way_to_write_it(running: Running) -> None:
    """Other hosts, addresses of other machines, other ways to write loopback, the gateway: refused, with rule E6."""
    bastion, there = running
    async with logged_in(bastion) as connection:
        for destination in DESTINATIONS:
            error = await refused(connection, destination, there.port)
            assert error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, destination
            assert "PGSSIS-E6" in error.reason, destination
        journalled = await bastion.written("channel.refused", len(DESTINATIONS))
    assert there.visits == 0
    await bastion.closed()
    frames = await bastion.frames()
    told = [facts(frame) for frame in frames if frame.type is FrameType.REFUSED]
    assert [one["host"] for one in told] == [destination[:255] for destination in DESTINATIONS]
    assert {(one["request"], one["port"]) for one in told} == {("direct-tcpip", there.port)}
    assert not [frame for frame in frames if frame.type is FrameType.OPEN]
    assert len(journalled) == len(DESTINATIONS)


async def test_no_other_port_of_the_device_is_reached(running: Running) -> None:
    """A port that the window does not name, the device's SSH port and the gateway's own: refused, and never dialled."""
    bastion, there = running
    async with service() as other, logged_in(bastion) as connection:
        for port in (
            other.port,
            bastion.gateway.port,
            bastion.device.port,
            22,
            0,
            1,
            65535,
            65536 + there.port,
        ):
            error = await refused(connection, "localhost", port)
            assert error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, port
        assert "PGSSIS-O3" in (await refused(connection, "scan01", other.port)).reason
        assert other.visits == 0
    await bastion.closed()


async def test_a_window_without_ports_lets_none_through(tmp_path: Path) -> None:
    """The planner who named no port gave none, a shell and every channel notwithstanding."""
    async with service() as there, running_bastion(tmp_path) as bastion, logged_in(bastion) as connection:
        assert "PGSSIS-O3" in (await refused(connection, "localhost", there.port)).reason
        assert there.visits == 0


async def test_a_log_in_without_a_device_has_no_port(running: Running) -> None:
    """Where no device was named there is nothing that localhost could mean."""
    bastion, there = running
    async with logged_in(bastion, "alice") as connection:
        await refused(connection, "localhost", there.port)
        await refused(connection, "scan01", there.port)
    assert there.visits == 0
    assert bastion.sessions() == []


async def test_another_person_s_window_gives_no_port(running: Running) -> None:
    """A device that is not hers gives no port either, in the words of an unknown one."""
    bastion, there = running
    async with logged_in(bastion, "alice+scan99") as connection:
        unknown = await refused(connection, "localhost", there.port)
    assert "PGSSIS-O3" in unknown.reason
    assert there.visits == 0


async def test_nothing_opens_after_the_window_s_end(running: Running) -> None:
    """At the end the open port closes, the connection with it, and another log-in gets none."""
    bastion, there = running
    async with logged_in(bastion) as connection:
        reader, writer = await connection.open_connection("localhost", there.port)
        writer.write(b"up")
        assert await asyncio.wait_for(reader.readexactly(2), 60) == b"up"
        bastion.clock.set(bastion.world.window.occurrences[0].end)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
            await connection.wait_closed()
    await eventually(lambda: there.open == 0)
    async with logged_in(bastion) as connection:
        assert "PGSSIS-O3" in (await refused(connection, "localhost", there.port)).reason
    assert there.visits == 1


async def test_a_cut_closes_a_port_and_says_why(running: Running) -> None:
    """A cut ends a port; with no terminal to say it on, the disconnection carries the reason."""
    bastion, there = running
    world = bastion.world
    async with logged_in(bastion) as connection:
        reader, writer = await connection.open_connection("localhost", there.port)
        writer.write(b"up")
        await asyncio.wait_for(reader.readexactly(2), 60)
        async with asyncio.timeout(60):
            await world.services.revocations.cut(
                world.who("rssi"), world.id, RevocationScope.PERSON, world.who("alice"), "Incident 42"
            )
            assert await reader.read() == b""
            await eventually(lambda: there.open == 0)
    await bastion.closed()
    ends = [facts(frame)["reason"] for frame in await bastion.frames() if frame.type is FrameType.END]
    assert ends == ["cut"]


async def test_no_port_opens_between_a_suspension_and_the_cut_it_brings(tmp_path: Path) -> None:
    """A port that is asked for before the gateway has heard of a change is refused by the change."""
    async with bastion_with_port(tmp_path, poll_seconds=3600.0) as (bastion, there):
        world = bastion.world
        async with logged_in(bastion) as connection:
            await channel(connection, command="cat")
            await world.services.people.suspend(
                world.who("dsi"), world.id, world.who("alice"), reason="Départ"
            )
            assert "PGSSIS-E3" in (await refused(connection, "localhost", there.port)).reason
        assert there.visits == 0


async def test_a_thousand_channels_are_bounded(running: Running) -> None:
    """Ports and sessions share one bound a connection; what is beyond it is refused, and what is open goes on."""
    bastion, there = running
    most = bastion.gateway.settings.max_channels
    async with logged_in(bastion) as connection:
        shell, heard = await channel(connection, command="cat")
        answers: list[Any] = await asyncio.gather(
            *(connection.open_connection("localhost", there.port) for _ in range(1000)),
            return_exceptions=True,
        )
        opened = [answer for answer in answers if isinstance(answer, tuple)]
        rest = [answer for answer in answers if not isinstance(answer, tuple)]
        assert len(opened) == most - 1
        assert {error.code for error in rest} == {asyncssh.OPEN_RESOURCE_SHORTAGE}
        for _reader, writer in opened:
            writer.write(b"x")
        assert {await asyncio.wait_for(reader.readexactly(1), 60) for reader, _ in opened} == {b"x"}
        shell.write(b"still")
        await heard.until(b"still")
        for _reader, writer in opened:
            writer.close()
        await eventually(lambda: there.open == 0)
        reader, writer = await connection.open_connection("localhost", there.port)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 60) == b"goodbye"
    await bastion.closed()


async def test_a_packet_size_of_zero_disconnects(running: Running) -> None:
    """A client that takes packets of no bytes would make us send without end: its connection is closed."""
    bastion, there = running
    async with logged_in(bastion) as connection:
        connection.send_packet(
            MSG_CHANNEL_OPEN,
            String(b"direct-tcpip"),
            UInt32(900),
            UInt32(1 << 20),
            UInt32(0),
            String(b"localhost"),
            UInt32(there.port),
            String(b"127.0.0.1"),
            UInt32(1),
        )
        await asyncio.wait_for(connection.wait_closed(), 60)
    assert there.visits == 0
    await bastion.closed()


@pytest.mark.parametrize("host", [b"\xff\xfe", b"localhost"])
async def test_a_malformed_request_reaches_nothing(running: Running, host: bytes) -> None:
    """A destination that is no text, or a request with bytes left over, opens nothing."""
    bastion, there = running
    async with logged_in(bastion) as connection:
        connection.send_packet(
            MSG_CHANNEL_OPEN,
            String(b"direct-tcpip"),
            UInt32(900),
            UInt32(1 << 20),
            UInt32(32768),
            String(host),
            UInt32(there.port),
            String(b"127.0.0.1"),
            UInt32(1),
            b"left over",
        )
        await asyncio.wait_for(connection.wait_closed(), 60)
    assert there.visits == 0


async def test_refusals_without_end_close_the_connection(running: Running) -> None:
    """Somebody who tries one destination after the other is taken for what she is."""
    bastion, there = running
    async with logged_in(bastion) as connection:
        for number in range(101):
            await refused(connection, "localhost", 10000 + number)
        await asyncio.wait_for(connection.wait_closed(), 60)
    assert there.visits == 0


@asynccontextmanager
async def busy(bastion: Bastion, there: Service) -> AsyncIterator[Any]:
    """A connection with one port open and used."""
    async with logged_in(bastion) as connection:
        reader, writer = await connection.open_connection("localhost", there.port)
        writer.write(b"x")
        await asyncio.wait_for(reader.readexactly(1), 60)
        yield reader, writer


async def test_a_silent_port_is_idle_and_a_used_one_is_not(running: Running) -> None:
    """Bytes either way are life; without any, the agreed delay ends the session."""
    bastion, there = running
    async with busy(bastion, there) as (reader, writer):
        for _ in range(3):
            bastion.clock.advance(timedelta(minutes=9))
            writer.write(b"x")
            assert await asyncio.wait_for(reader.readexactly(1), 60) == b"x"
        bastion.clock.advance(timedelta(minutes=10, seconds=1))
        assert await asyncio.wait_for(reader.read(), 60) == b""
    await bastion.closed()
    assert [facts(f)["reason"] for f in await bastion.frames() if f.type is FrameType.END] == ["idle"]
