"""Ports of the device through the gateway (ssh -L), by the stock client: what passes is what would without it."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ecluse.demo.ports import free_port
from recorder.trace.frames import Frame, FrameType, facts
from tests.support.bastion import Bastion, output
from tests.support.device_service import Service, bastion_with_port
from tests.support.dialogue import dbclient, log_in, putty
from tests.support.jump import Laptop
from tests.support.raw_client import logged_in
from tests.support.waiting import eventually, steady

pytestmark = pytest.mark.integration
Running = tuple[Bastion, Service]
Visitor = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A bastion whose window lets one port through, and the service there."""
    async with bastion_with_port(tmp_path) as made:
        yield made


@asynccontextmanager
async def forwarding(
    bastion: Bastion, target: str, user: str = "alice+scan01", options: Sequence[str] = ()
) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Run ``ssh -N -L port:target`` and yield its local port once it listens, and the process."""
    local = free_port()
    command = bastion.client.command(
        user, options=["-N", "-o", "LogLevel=INFO", "-L", f"127.0.0.1:{local}:{target}", *options]
    )
    process = await bastion.client.start(command, answers=bastion.answers())
    try:
        await eventually(lambda: _listens(local))
        yield local, process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text()


async def visit(port: int) -> Visitor:
    """Connect to the client's local end."""
    return await asyncio.open_connection("127.0.0.1", port)


def told(frames: list[Frame], kind: FrameType) -> list[dict[str, object]]:
    """Return the facts of the frames of one kind."""
    return [facts(frame) for frame in frames if frame.type is kind]


@pytest.mark.client("OpenSSH ssh", "password + code", "port (-L)")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "scan01"])
async def test_a_port_is_the_devices_own_by_each_of_its_names(tmp_path: Path, host: str) -> None:
    """What is sent comes back, ends of file apart (half-close), and the trace has the opening and both directions."""
    async with bastion_with_port(tmp_path) as (bastion, there):
        if host == "[::1]":
            there_too = await asyncio.start_server(_hello, "::1", there.port)
        async with forwarding(bastion, f"{host}:{there.port}") as (local, _):
            reader, writer = await visit(local)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            writer.write_eof()
            got = await asyncio.wait_for(reader.read(), 60)
            writer.close()
        if host == "[::1]":
            there_too.close()
            assert got == b"hello over IPv6"
        else:
            assert got == b"GET / HTTP/1.0\r\n\r\ngoodbye"
        await bastion.closed()
        frames = await bastion.frames()
        [opened] = told(frames, FrameType.OPEN)
        assert (opened["kind"], opened["host"], opened["port"], opened["label"]) == (
            "direct-tcpip",
            host.strip("[]"),
            there.port,
            "console",
        )
        assert frames[0].type is FrameType.OPEN
        assert output(frames, FrameType.INPUT) == b"GET / HTTP/1.0\r\n\r\n"
        assert output(frames) == got
        assert "device" in {str(one["from"]) for one in told(frames, FrameType.EOF)}
        sent = len(b"GET / HTTP/1.0\r\n\r\n")
        assert told(frames, FrameType.EXIT) == [{"lost": False, "input": sent, "output": len(got)}]


async def _hello(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello over IPv6")
    writer.close()


async def test_many_visitors_and_a_shell_share_one_session(running: Running) -> None:
    """A shell and twenty visitors at once are one session with one trace, each under its own number."""
    bastion, there = running
    local = free_port()
    command = bastion.client.command(
        "alice+scan01", options=["-tt", "-L", f"127.0.0.1:{local}:localhost:{there.port}"]
    )
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        shown = await terminal.expect(b"maint@scan01")
        assert f"{there.port} (console)".encode() in shown
        visitors = [await visit(local) for _ in range(20)]
        for number, (_, writer) in enumerate(visitors):
            writer.write(b"%d" % number)
            writer.write_eof()
        answers = [await asyncio.wait_for(reader.read(), 60) for reader, _ in visitors]
        assert answers == [b"%dgoodbye" % number for number in range(20)]
        for _, writer in visitors:
            writer.close()
        terminal.send(b"exit\n")
        assert await terminal.wait() == 0
    await bastion.closed()
    frames = await bastion.frames()
    assert len(bastion.sessions()) == 1
    assert [one["kind"] for one in told(frames, FrameType.OPEN)].count("direct-tcpip") == 20
    assert len({frame.channel for frame in frames if frame.type is FrameType.OPEN}) == 21


async def test_beyond_the_limit_only_digests_are_kept_both_ways(tmp_path: Path) -> None:
    """Three megabytes pass whole; the trace keeps the first of each direction, a gap, and the digest of all."""
    kept = 100_000
    async with bastion_with_port(tmp_path, recorder_settings={"input_limit_bytes": kept}) as (bastion, there):
        data = os.urandom(3_000_000)
        async with forwarding(bastion, f"localhost:{there.port}") as (local, _):
            reader, writer = await visit(local)
            receiving = asyncio.create_task(reader.read())
            writer.write(data)
            writer.write_eof()
            assert await asyncio.wait_for(receiving, 60) == data + b"goodbye"
            writer.close()
        await bastion.closed()
        frames = await bastion.frames()
    assert output(frames, FrameType.INPUT) == data[:kept]
    assert output(frames) == data[:kept]
    assert [(one["kind"], one["stream"]) for one in told(frames, FrameType.GAP)] == [
        ("limit", "input"),
        ("limit", "output"),
    ]
    last = {str(one["stream"]): one for one in told(frames, FrameType.DIGEST)}
    assert last["input"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert last["output"]["sha256"] == hashlib.sha256(data + b"goodbye").hexdigest()
    assert last["output"]["bytes"] == len(data) + len(b"goodbye")


async def test_a_visitor_who_does_not_read_holds_the_device_back(tmp_path: Path) -> None:
    """A reader that stops stops the service too: what waits in the gateway stays small, and comes when it reads again."""
    size = 64 * 1024 * 1024
    written = 0

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while written < size:
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async with bastion_with_port(tmp_path, pour) as (bastion, there), logged_in(bastion) as connection:
        reader, _writer = await connection.open_connection("localhost", there.port)
        await eventually(lambda: written > 0)
        supervisor = bastion.gateway._supervisor
        assert supervisor is not None
        [session] = supervisor.sessions
        [relay] = session.relays.values()
        await eventually(lambda: relay.to_person.held)
        await steady(lambda: written)  # the pipes of kernel and sshd fill, then nothing moves any more
        assert written < size / 2
        assert session.recording.pending_bytes < 4 * 1024 * 1024
        got = 0
        async with asyncio.timeout(60):
            while got < size:
                got += len(await reader.read(1 << 20))
        assert got == size


async def test_where_nothing_listens_the_client_is_told(tmp_path: Path) -> None:
    """The device's refusal reaches the client, and the trace has the opening and that it led nowhere."""
    async with bastion_with_port(tmp_path) as (bastion, there):
        there.close()
        async with forwarding(bastion, f"localhost:{there.port}") as (local, _):
            reader, writer = await visit(local)
            assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()
        await bastion.closed()
        frames = await bastion.frames()
    assert [frame.type for frame in frames[:2]] == [FrameType.OPEN, FrameType.REFUSED]
    assert told(frames, FrameType.REFUSED)[0]["reason"] == "device.refused"


async def test_a_device_that_forwards_nothing_says_so(tmp_path: Path) -> None:
    """Where the device's own SSH server forwards nothing, the client is refused and the trace tells whose word it was."""
    async with bastion_with_port(tmp_path, sshd_config="AllowTcpForwarding no\n") as (bastion, there):
        async with forwarding(bastion, f"localhost:{there.port}") as (local, process):
            reader, writer = await visit(local)
            assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()
            process.terminate()
            assert process.stderr is not None
            assert b"open failed: connect failed" in await process.stderr.read()
        await bastion.closed()
        frames = await bastion.frames()
        [refusal] = told(frames, FrameType.REFUSED)
        assert (refusal["request"], refusal["reason"]) == ("direct-tcpip", "device.refused")
        assert there.visits == 0


async def test_the_menu_s_device_is_what_localhost_means(running: Running) -> None:
    """After a device was chosen in the menu, -L of the same connection leads to it."""
    bastion, there = running
    local = free_port()
    command = bastion.client.command(
        "alice", options=["-tt", "-L", f"127.0.0.1:{local}:localhost:{there.port}"]
    )
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b">")
        early, too_early = await visit(local)
        assert await asyncio.wait_for(early.read(), 60) == b""
        too_early.close()
        terminal.send(b"1\r")
        await terminal.expect(b"maint@scan01")
        reader, writer = await visit(local)
        writer.write(b"x")
        assert await asyncio.wait_for(reader.readexactly(1), 60) == b"x"
        writer.close()
        terminal.send(b"exit\n")
        await terminal.wait()
    await bastion.closed()
    assert there.visits == 1


async def test_dynamic_and_remote_forwarding_stay_refused_beside_a_port(running: Running) -> None:
    """A window with a port opens no other road: -D to another machine and -R are refused as ever."""
    bastion, there = running
    socks = free_port()
    async with forwarding(
        bastion, f"localhost:{there.port}", options=["-D", f"127.0.0.1:{socks}", "-R", "0:localhost:22"]
    ) as (local, process):
        reader, writer = await visit(local)
        writer.write(b"x")
        await asyncio.wait_for(reader.readexactly(1), 60)
        proxied, proxy = await visit(socks)
        proxy.write(b"\x05\x01\x00")
        assert await asyncio.wait_for(proxied.readexactly(2), 60) == b"\x05\x00"
        proxy.write(b"\x05\x01\x00\x01\x0a\x00\x00\x01" + there.port.to_bytes(2, "big"))
        answer = await asyncio.wait_for(proxied.read(), 60)
        assert answer[1:2] != b"\x00"
        for each in (writer, proxy):
            each.close()
        process.terminate()
        assert process.stderr is not None
        said = await process.stderr.read()
    assert b"PGSSIS-E6" in said
    assert b"remote port forwarding failed" in said
    await bastion.closed()
    reasons = {str(one["reason"]) for one in told(await bastion.frames(), FrameType.REFUSED)}
    assert reasons == {"refused.port-elsewhere", "refused.forward-remote"}


async def test_the_command_list_tells_the_ports(running: Running) -> None:
    """What a technician may forward is in ``list`` and ``windows``, for her and for her programs."""
    bastion, there = running
    told_her = await bastion.client.ssh("alice", "list", answers=bastion.answers())
    assert f"[-L {there.port} (console)]" in told_her.stdout.decode()
    programs = await bastion.client.ssh("alice", "list --json", answers=bastion.answers())
    [opening] = json.loads(programs.stdout)
    assert opening["forwards"] == [{"port": there.port, "label": "console"}]
    windows = await bastion.client.ssh("alice", "windows", answers=bastion.answers())
    assert f"-L {there.port} (console)" in windows.stdout.decode()


@pytest.mark.parametrize(
    "client",
    [
        pytest.param("plink", marks=pytest.mark.client("PuTTY plink", "password + code", "port (-L)")),
        pytest.param(
            "dbclient", marks=pytest.mark.client("Dropbear dbclient", "password + code", "port (-L)")
        ),
    ],
)
async def test_other_clients_reach_the_port_too(running: Running, client: str) -> None:
    """PuTTY's and dropbear's -L lead where OpenSSH's does."""
    bastion, there = running
    local = free_port()
    where = ["-L", f"127.0.0.1:{local}:localhost:{there.port}", "alice+scan01@127.0.0.1"]
    command = putty(bastion, "plink", *where) if client == "plink" else dbclient(bastion, *where)
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.answers())
        await terminal.expect(b"maint@scan01")
        reader, writer = await visit(local)
        writer.write(b"by another client")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 60) == b"by another clientgoodbye"
        writer.close()
        terminal.send(b"exit\r")
        await terminal.wait()
    await bastion.closed()
    assert output(await bastion.frames(), FrameType.INPUT).count(b"by another client") == 1


@pytest.mark.client("OpenSSH ssh -J", "password + code", "port (-L)")
async def test_a_port_through_a_jump(running: Running) -> None:
    """``ssh -J bastion -L`` leads to the port of the device jumped to, in the inner session's trace."""
    bastion, there = running
    laptop, local = Laptop(bastion), free_port()
    where = ["-N", "-L", f"127.0.0.1:{local}:localhost:{there.port}"]
    process = await bastion.client.start(laptop.ssh("maint@scan01", options=where), answers=bastion.answers())
    try:
        await eventually(lambda: _listens(local))
        reader, writer = await visit(local)
        writer.write(b"inside")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 60) == b"insidegoodbye"
        writer.close()
    finally:
        process.terminate()
        await process.wait()
    await bastion.closed()
    assert [one["port"] for one in told(await bastion.frames(), FrameType.OPEN)] == [there.port]
