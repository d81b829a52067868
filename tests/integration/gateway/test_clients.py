"""Other clients than OpenSSH log in too: plink, dbclient, paramiko and rsync."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import paramiko
import pytest

from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion with one open window."""
    async with running_bastion(tmp_path) as running:
        yield running


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where *program* is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


async def test_paramiko_logs_in_and_runs_a_command(bastion: Bastion) -> None:
    """Paramiko answers the dialogue, runs a command and gets its exit status."""
    answers = bastion.answers()

    def run() -> tuple[bytes, int]:
        transport = paramiko.Transport(("127.0.0.1", bastion.gateway.port))
        try:
            transport.start_client(timeout=60)
            transport.auth_interactive("alice+scan01", lambda _title, _text, _fields: answers)
            channel = transport.open_session()
            channel.exec_command("echo from paramiko; exit 6")
            return channel.makefile().read(), channel.recv_exit_status()
        finally:
            transport.close()

    assert await asyncio.to_thread(run) == (b"from paramiko\n", 6)


@needs("plink")
async def test_plink_logs_in_on_a_terminal(bastion: Bastion) -> None:
    """Plink asks on its terminal, runs a command and gives its exit status."""
    fingerprint = await bastion.client.run(["ssh-keygen", "-lf", str(bastion.client.known_hosts)])
    key = fingerprint.stdout.split()[1].decode()
    command = ["plink", "-ssh", "-P", str(bastion.gateway.port), "-hostkey", key, "-no-antispoof"]
    password, code = bastion.answers()
    async with bastion.client.terminal(
        [*command, "alice+scan01@127.0.0.1", "echo via plink; exit 7"]
    ) as terminal:
        await terminal.expect(b"Password: ")
        terminal.send(password.encode() + b"\n")
        await terminal.expect(b"code: ")
        terminal.send(code.encode() + b"\n")
        await terminal.expect(b"via plink")
        assert await terminal.wait() == 7


@needs("dbclient")
async def test_dbclient_logs_in_on_a_terminal(bastion: Bastion) -> None:
    """dbclient, which guesses the key exchange, answers the dialogue and gets a shell's output."""
    password, code = bastion.answers()
    command = ["dbclient", "-y", "-y", "-p", str(bastion.gateway.port), "alice+scan01@127.0.0.1"]
    async with bastion.client.terminal([*command, "echo via dbclient; exit 8"]) as terminal:
        await terminal.expect(b"Password: ")
        terminal.send(password.encode() + b"\n")
        await terminal.expect(b"code: ")
        terminal.send(code.encode() + b"\n")
        await terminal.expect(b"via dbclient")
        assert await terminal.wait() == 8


@needs("rsync")
async def test_rsync_carries_a_folder(bastion: Bastion, tmp_path: Path) -> None:
    """Rsync over the gateway copies a folder up and down, the same."""
    there = tmp_path / "there"
    there.mkdir()
    for number in range(20):
        (there / f"file{number}").write_bytes(bytes([number]) * 10_000 * number)
    remote = f"alice+scan01@127.0.0.1:{bastion.device.home}/copy/"
    shell = " ".join(["ssh", *bastion.client.options(), "-p", str(bastion.gateway.port)])
    for source, target in ((f"{there}/", remote), (remote, f"{tmp_path}/back/")):
        ended = await bastion.client.run(
            ["rsync", "-a", "-e", shell, source, target], answers=bastion.answers()
        )
        assert ended.rc == 0, ended.said
    for number in range(20):
        assert (tmp_path / "back" / f"file{number}").read_bytes() == bytes([number]) * 10_000 * number


async def test_a_client_that_leaves_while_the_device_is_dialled_leaves_nothing(bastion: Bastion) -> None:
    """A session that is being opened ends with its client: no lease, trace or connection stays behind."""
    port = bastion.device.port
    await bastion.device.stop()
    asked = asyncio.Event()
    connections: list[asyncio.StreamWriter] = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        asked.set()

    server = await asyncio.start_server(mute, "127.0.0.1", port)
    process = await bastion.client.start(
        bastion.client.command("alice+scan01", "id"), answers=bastion.answers()
    )
    await asyncio.wait_for(asked.wait(), 60)
    process.kill()
    await process.communicate()
    await eventually(lambda: bastion.gateway.connections == 0)
    await bastion.closed()
    connections[0].close()
    server.close()
    await server.wait_closed()
    assert len(bastion.sessions()) == 1
    live = await bastion.world.services.access.sessions(bastion.world.id)
    assert live == []
