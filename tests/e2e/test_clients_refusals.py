"""What would make of the bastion a road to elsewhere: refused, said to the person, recorded and journalled."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from ecluse.demo.ports import free_port
from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion
from tests.support.raw_client import Answering

pytestmark = pytest.mark.e2e

LOUD = ["-o", "LogLevel=INFO"]


async def refusals(bastion: Bastion, count: int = 1) -> list[dict[str, Any]]:
    """Return what the journal says of refused channels and requests, once it holds *count* of them."""
    return [dict(entry.event.details) for entry in await bastion.written("channel.refused", count)]


async def recorded(bastion: Bastion) -> list[str]:
    """Return the names of the requests that the one trace holds as refused."""
    await bastion.closed()
    return [facts(frame)["request"] for frame in await bastion.frames() if frame.type is FrameType.REFUSED]


@pytest.mark.parametrize("how", ["-L", "-D"])
async def test_a_forwarded_port_leads_nowhere(bastion: Bastion, how: str) -> None:
    """Beside a running command a connection into -L or -D is closed, said by ssh, recorded; the command goes on."""
    port, beyond = free_port(), bastion.device.port
    place = f"127.0.0.1:{port}" + (f":127.0.0.1:{beyond}" if how == "-L" else "")
    command = bastion.client.command("alice+scan01", "echo in; cat", options=[*LOUD, how, place])
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    before = bastion.device.log().count("Connection from")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if how == "-D":  # SOCKS5 without authentication, to the device's own port (RFC 1928)
        writer.write(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + beyond.to_bytes(2, "big"))
        assert await reader.readexactly(2) == b"\x05\x00"
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    out, err = await asyncio.wait_for(process.communicate(b"still here"), 60)
    assert (process.returncode, out) == (0, b"still here")
    assert b"administratively prohibited" in err
    assert b"Refuse (PGSSIS-E6) : le SSH de l'equipement lui-meme ne se transfere pas" in err
    assert b"\\303" not in err  # what ssh makes of an accent in its log
    assert bastion.device.log().count("Connection from") == before
    assert [(one["request"], one["rule"], one["port"]) for one in await refusals(bastion)] == [
        ("direct-tcpip", "E6", beyond)
    ]
    assert await recorded(bastion) == ["direct-tcpip"]


async def test_a_forwarded_socket_leads_nowhere(bastion: Bastion, tmp_path: Path) -> None:
    """A local socket forwarded to a socket of the device is refused as a forwarded port is."""
    here = tmp_path / "here.sock"
    command = bastion.client.command(
        "alice+scan01", "echo in; cat", options=[*LOUD, "-L", f"{here}:/run/docker.sock"]
    )
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    reader, writer = await asyncio.open_unix_connection(here)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    _, err = await asyncio.wait_for(process.communicate(b""), 60)
    assert b"PGSSIS-E6" in err
    assert [one["path"] for one in await refusals(bastion)] == ["/run/docker.sock"]
    assert await recorded(bastion) == ["direct-streamlocal@openssh.com"]


@pytest.mark.client("OpenSSH ssh", "password + code", "X11", "refused")
async def test_a_display_is_refused_and_the_command_runs_without(bastion: Bastion) -> None:
    """-X: the reason is on standard error, the device's process has no display, the refusal stands in the trace."""
    command = bastion.client.command(
        "alice+scan01", "echo display=$DISPLAY", options=["-X", "-o", "ForwardX11Trusted=yes"]
    )
    ended = await bastion.client.run(["env", "DISPLAY=:77", *command], answers=bastion.answers())
    assert (ended.rc, ended.stdout) == (0, b"display=\n")
    assert "PGSSIS-E6" in ended.said
    assert "ssh -X" in ended.said
    assert await recorded(bastion) == ["x11-req"]


@pytest.mark.client("OpenSSH ssh", "password + code", "remote forwarding", "refused")
async def test_a_remote_port_is_refused_on_standard_error(bastion: Bastion) -> None:
    """-R: ssh says that it failed, the reason is read beside the running command, and the trace has it."""
    command = bastion.client.command("alice+scan01", "echo in; cat", options=["-R", "0:127.0.0.1:9", *LOUD])
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    _, err = await asyncio.wait_for(process.communicate(b""), 60)
    assert process.returncode == 0
    assert b"remote port forwarding failed" in err
    assert "Refusé (PGSSIS-E6)".encode() in err
    assert b"ssh -R" in err
    assert [one["rule"] for one in await refusals(bastion)] == ["E6"]
    assert await recorded(bastion) == ["tcpip-forward"]


@pytest.mark.client("OpenSSH ssh", "password + code", "tunnel", "refused")
async def test_a_tunnel_is_refused(bastion: Bastion) -> None:
    """What ssh -w asks for, both of its layers, is refused with the reason."""
    answers = bastion.answers()
    connection = await asyncssh.connect(
        "127.0.0.1",
        bastion.gateway.port,
        config=None,
        username="alice+scan01",
        client_keys=None,
        known_hosts=None,
        agent_path=None,
        client_factory=lambda: Answering(answers),
    )
    async with connection:
        for ask in (connection.create_tun, connection.create_tap):
            with pytest.raises(asyncssh.ChannelOpenError, match="PGSSIS-E6"):
                await ask(asyncssh.SSHTunTapSession)
    assert {one["request"] for one in await refusals(bastion, 2)} == {"tun@openssh.com"}


@pytest.mark.skipif(os.geteuid() != 0, reason="ssh -w makes a network interface on the client's side first")
async def test_a_tunnel_of_stock_ssh_is_refused(bastion: Bastion) -> None:
    """Ssh -w asks for a network device on the other side; there is none."""
    command = bastion.client.command("alice+scan01", "echo in; sleep 0.5", options=["-w", "any:any"])
    ended = await bastion.client.run(command, answers=bastion.answers())
    if "Tunnel device open failed" in ended.said:
        pytest.skip("this machine lets its client make no network interface")
    assert [one["request"] for one in await refusals(bastion)] == ["tun@openssh.com"]
    assert await recorded(bastion) == ["tun@openssh.com"]


async def test_an_unknown_subsystem_ends_with_its_reason(bastion: Bastion) -> None:
    """``ssh -s host foo``: a non-zero status, the reason with its rule, a journal entry, and nothing dialled."""
    ended = await bastion.client.ssh("alice+scan01", "foo", options=["-s"], answers=bastion.answers())
    assert ended.rc == 1
    assert "PGSSIS-C7" in ended.said
    assert "sftp" in ended.said
    assert [one["rule"] for one in await refusals(bastion)] == ["C7"]


@pytest.mark.parametrize(
    "command",
    [
        "scp -t /x; sh",
        "scp -t /x\nsh",
        "scp -t $(id)",
        "scp -t `id`",
        "scp -S /tmp/x -t /x",
        "scp -t /x | sh",
        "scp  -t /x && sh",
        "/tmp/scp -t /x",
        "rsync --server -e sh . /x",
        "rsync --server --rsh=sh . /x",
        "rsync --server . /x; sh",
        "/usr/lib/openssh/sftp-server; sh",
        "sh -c id",
        "",
    ],
)
async def test_no_command_hides_behind_a_file_transfer(bastion: Bastion, command: str) -> None:
    """Without the right to run commands nothing but an exact transfer passes, to stock ssh, and nothing is dialled."""
    await only_files(bastion)
    ended = await bastion.client.ssh("alice+scan01", command, answers=bastion.answers())
    assert ended.rc == 1, ended
    assert ended.stdout == b""
    assert "PGSSIS-C7" in ended.said
    assert not re.search(r"uid=\d", ended.said)
    assert bastion.device.log().count("Starting session: command") == 0


async def only_files(bastion: Bastion) -> None:
    """Replace the open window by one for files alone."""
    dsi = bastion.world.who("dsi")
    await bastion.world.services.windows.cancel(
        dsi, bastion.world.id, bastion.world.window.id, reason="files only"
    )
    await bastion.world.add_window(channels=[Channel.SFTP_UP, Channel.SFTP_DOWN])
