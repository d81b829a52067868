"""Ways round the recorder and round the channels of a window, tried by a client that follows no manners."""

import asyncio
from collections.abc import Iterable

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32

from policy.domain.access import RevocationScope
from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion
from tests.support.hostile_device import hostile_device
from tests.support.raw_client import channel, logged_in

pytestmark = pytest.mark.integration


async def only(bastion: Bastion, channels: Iterable[Channel]) -> None:
    """Let the open window allow *channels* and no other."""
    world = bastion.world
    await world.services.windows.cancel(world.who("dsi"), world.id, world.window.id, reason="another one")
    await world.add_window(channels=channels)


@pytest.mark.parametrize(
    "request_",
    [
        {"subsystem": "sftp"},
        {"command": "/usr/lib/openssh/sftp-server"},
        {"command": "scp -f /etc/hostname"},
        {"command": "rsync --server --sender -e.Lsfx . /etc/hostname"},
    ],
    ids=["subsystem", "sftp-server", "scp", "rsync"],
)
async def test_files_do_not_travel_on_a_terminal(bastion: Bastion, request_: dict[str, str]) -> None:
    """On a raw terminal a transfer would escape its tap and what is sent would not be kept: it is refused, recorded."""
    await only(bastion, [Channel.SFTP_DOWN])
    async with logged_in(bastion) as connection:
        _, heard = await channel(connection, request_pty="force", term_type="xterm", **request_)
        await asyncio.wait_for(heard.closed.wait(), 60)
    assert heard.status == 1
    assert heard.out == b""
    assert b"C7" in heard.err
    await bastion.closed()
    refused = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.REFUSED]
    assert [each["reason"] for each in refused] == ["refused.files-terminal"]


async def test_a_terminal_s_pixels_are_in_the_trace(bastion: Bastion) -> None:
    """Sizes in pixels reach the device's programs, and could carry data: the trace has them."""
    async with logged_in(bastion) as connection:
        opened, heard = await channel(
            connection, request_pty="force", term_type="xterm", term_size=(80, 24, 4242, 2121), command="cat"
        )
        opened.change_terminal_size(90, 30, 1234, 5678)
        opened.write(b"seen\n")
        await heard.until(b"seen")
    await bastion.closed()
    frames = await bastion.frames()
    [request] = [facts(frame)["pty"] for frame in frames if frame.type is FrameType.REQUEST]
    assert (request["pixel_width"], request["pixel_height"]) == (4242, 2121)
    resizes = [facts(frame) for frame in frames if frame.type is FrameType.RESIZE]
    assert resizes == [{"columns": 90, "rows": 30, "pixel_width": 1234, "pixel_height": 5678}]


async def test_what_a_hostile_device_says_of_an_end_is_in_the_trace(bastion: Bastion) -> None:
    """The words of an exit signal come from the device and reach the person: the trace has every one of them."""

    async def end(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        process.exit_with_signal("TERM", False, "as I like\x1b[31m", "fr")

    async with hostile_device(bastion, end) as name, logged_in(bastion, f"alice+{name}") as connection:
        _, heard = await channel(connection, command="anything")
        await asyncio.wait_for(heard.closed.wait(), 60)
    assert heard.signal == ("TERM", "as I like\x1b[31m")
    await bastion.closed()
    exits = [facts(frame) for frame in await bastion.frames() if frame.type is FrameType.EXIT]
    assert exits == [
        {"signal": "TERM", "core_dumped": False, "message": "as I like\x1b[31m", "language": "fr"}
    ]


async def test_channels_opened_while_a_session_is_cut_end_with_it(bastion: Bastion) -> None:
    """Somebody who opens channels without a pause through a cut keeps none, and her connection is closed."""
    world = bastion.world
    async with logged_in(bastion) as connection:
        _, first = await channel(connection, command="cat")
        [session] = await world.services.access.sessions(world.id)
        opened = [first]

        async def hammer() -> None:
            while not connection.is_closed():
                try:
                    opened.append((await channel(connection, command="cat"))[1])
                except asyncssh.Error:
                    await asyncio.sleep(0.01)

        hammering = asyncio.create_task(hammer())
        await world.services.revocations.cut(
            world.who("dsi"), world.id, RevocationScope.SESSION, session.session_id, "enough"
        )
        async with asyncio.timeout(60):
            await hammering
            await asyncio.gather(*(heard.closed.wait() for heard in opened))
    await bastion.closed()
    assert "enough" in first.err.decode()
    assert [each.state for each in await world.services.access.sessions(world.id)] == []


async def test_what_a_hostile_device_opens_towards_the_gateway_ends_the_session(bastion: Bastion) -> None:
    """Forwarded ports, agents, displays and sessions that a device asks for lead nowhere: no byte of them passes."""

    async def intrude(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        connection = process.channel.get_connection()
        for kind in (b"forwarded-tcpip", b"auth-agent@openssh.com", b"x11", b"session"):
            connection.send_packet(
                MSG_CHANNEL_OPEN,
                String(kind),
                UInt32(900),
                UInt32(1 << 20),
                UInt32(32768),
                String(b"127.0.0.1"),
            )

    async with hostile_device(bastion, intrude) as name, logged_in(bastion, f"alice+{name}") as connection:
        _, heard = await channel(connection, command="anything")
        await asyncio.wait_for(heard.closed.wait(), 60)
    assert heard.out == b""
    await bastion.closed()
    assert {frame.type for frame in await bastion.frames()} <= {
        FrameType.OPEN,
        FrameType.REQUEST,
        FrameType.EXIT,
        FrameType.END,
    }
