"""Nothing is forwarded: the stock client's -X, -L, -D and -w, each refused, told and recorded."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from ecluse.demo.ports import free_port
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.raw_client import logged_in

pytestmark = pytest.mark.integration


TELLS = ["-o", "LogLevel=INFO"]


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path) as running:
        yield running


async def refused(bastion: Bastion) -> list[str]:
    """Return what the journal and the one trace both say was refused."""
    journalled = [str(dict(e.event.details)["request"]) for e in await bastion.written("channel.refused")]
    await bastion.closed()
    traced = [facts(frame)["request"] for frame in await bastion.frames() if frame.type is FrameType.REFUSED]
    assert journalled == traced
    return journalled


async def test_a_display_is_refused_on_standard_error(bastion: Bastion) -> None:
    """X11 does not pass; SSH has no field for a reason, so standard error says it, and the command runs."""
    command = bastion.client.command("alice+scan01", "echo display=$DISPLAY", options=["-X"])
    ended = await bastion.client.run(["env", "DISPLAY=:99", *command], answers=bastion.answers())
    assert ended.stdout == b"display=\n", ended.said
    assert "PGSSIS-E6" in ended.said
    assert await refused(bastion) == ["x11-req"]


@pytest.mark.parametrize("option", ["-L", "-D"])
async def test_a_local_forwarding_reaches_nothing(bastion: Bastion, option: str) -> None:
    """Through -L and -D the client listens by itself, and what connects there gets nowhere."""
    reached: list[bool] = []

    async def reach(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(True)
        writer.close()

    inner = await asyncio.start_server(reach, "127.0.0.1", 0)
    target, local = inner.sockets[0].getsockname()[1], free_port()
    where = f"127.0.0.1:{local}:127.0.0.1:{target}" if option == "-L" else f"127.0.0.1:{local}"
    command = bastion.client.command("alice+scan01", "echo in; cat", options=[*TELLS, option, where])
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", local)
    if option == "-D":
        writer.write(b"\x05\x01\x00" + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + target.to_bytes(2, "big"))
    answer = await asyncio.wait_for(reader.read(), 60)
    # SOCKS: the method is chosen by the client itself; its answer to the request says failure, if there is one
    assert answer[:2] in {b"", b"\x05\x00"}
    assert answer[3:4] != b"\x00"
    writer.close()
    out, err = await process.communicate(b"still here")
    assert out == b"still here"
    assert b"open failed: administratively prohibited" in err
    inner.close()
    await inner.wait_closed()
    assert reached == []
    assert await refused(bastion) == ["direct-tcpip"]


@pytest.mark.skipif(os.geteuid() != 0, reason="ssh -w makes a network interface on the client's side first")
async def test_a_tunnel_is_refused(bastion: Bastion) -> None:
    """Ssh -w asks for a network device on the other side; there is none."""
    command = bastion.client.command("alice+scan01", "echo in; sleep 0.5", options=["-w", "any:any"])
    ended = await bastion.client.run(command, answers=bastion.answers())
    if "Tunnel device open failed" in ended.said:
        pytest.skip("this machine lets its client make no network interface")
    assert await refused(bastion) == ["tun@openssh.com"]


@pytest.mark.parametrize("open_device", ["open_tun", "open_tap"])
async def test_a_tunnel_channel_is_refused(bastion: Bastion, open_device: str) -> None:
    """Both kinds of tunnel are refused, by whatever client they are asked for."""
    async with logged_in(bastion) as connection:
        with pytest.raises(asyncssh.ChannelOpenError, match="PGSSIS-E6"):
            await getattr(connection, open_device)()
    events = await bastion.written("channel.refused")
    assert [dict(entry.event.details)["request"] for entry in events] == ["tun@openssh.com"]
