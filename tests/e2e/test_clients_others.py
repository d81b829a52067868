"""Clients that people have beside OpenSSH: plink, psftp, pscp, dbclient and paramiko log in and work."""

import asyncio
import hashlib
import os
from pathlib import Path

import asyncssh
import paramiko
import pytest

from recorder.trace.frames import FrameType, facts
from tests.support.bastion import Bastion
from tests.support.dialogue import dbclient, log_in, putty

pytestmark = pytest.mark.e2e

BOTH_STREAMS = "echo to-out; echo to-err >&2; exit 3"


async def enrolled_key(bastion: Bastion) -> asyncssh.SSHKey:
    """Enrol a fresh key for alice and return it."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = key.export_public_key().decode().strip()
    alice = bastion.world.who("alice")
    await bastion.world.services.people.add_key(alice, bastion.world.id, alice, line, label="test")
    return key


async def proved(bastion: Bastion) -> list[list[str]]:
    """Return the factors of each log-in that succeeded."""
    entries = await bastion.events("authentication.succeeded")
    return [list(entry.event.details["factors"]) for entry in entries]


@pytest.mark.client("PuTTY plink", "password + code", "command")
async def test_plink_runs_a_command(bastion: Bastion) -> None:
    """Plink asks for both factors on its terminal and ends with the command's status."""
    command = putty(bastion, "plink", "alice+scan01@127.0.0.1", BOTH_STREAMS)
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.answers())
        assert await terminal.wait() == 3
        assert b"to-out" in terminal.seen
        assert b"to-err" in terminal.seen
    assert await proved(bastion) == [["password", "totp"]]


@pytest.mark.client("PuTTY plink", "password + code", "shell")
async def test_plink_gives_a_shell(bastion: Bastion) -> None:
    """Plink without a command gives the device's shell, of this terminal's size, and its status."""
    command = putty(bastion, "plink", "-t", "alice+scan01@127.0.0.1")
    async with bastion.client.terminal(command, size=(30, 100)) as terminal:
        await log_in(terminal, bastion.answers())
        await terminal.expect(b"maint@scan01")
        terminal.send(b"stty size; exit 4\r")
        await terminal.expect(b"30 100")
        assert await terminal.wait() == 4


@pytest.mark.client("PuTTY plink", "key + code", "command")
async def test_plink_with_a_key_still_wants_the_code(bastion: Bastion, tmp_path: Path) -> None:
    """Plink's key is a partial success; the code alone is asked then."""
    key = await enrolled_key(bastion)
    (tmp_path / "key").write_bytes(key.export_private_key())
    (tmp_path / "key").chmod(0o600)
    made = await bastion.client.run(["puttygen", str(tmp_path / "key"), "-o", str(tmp_path / "key.ppk")])
    assert made.rc == 0, made.said
    command = putty(bastion, "plink", "-i", str(tmp_path / "key.ppk"), "alice+scan01@127.0.0.1", "exit 3")
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.code())
        assert await terminal.wait() == 3
        assert b"Password" not in terminal.seen
    assert await proved(bastion) == [["public-key", "totp"]]


@pytest.mark.client("PuTTY psftp", "password + code", "sftp")
@pytest.mark.client("PuTTY pscp", "password + code", "sftp")
async def test_psftp_and_pscp_carry_files_both_ways(bastion: Bastion, tmp_path: Path) -> None:
    """What PuTTY's two file clients put and get is the same, and the trace has sha256sum's digest each time."""
    data = os.urandom(300_007)
    sent, got, copied = tmp_path / "sent.bin", tmp_path / "got.bin", tmp_path / "copied.bin"
    sent.write_bytes(data)
    async with bastion.client.terminal(putty(bastion, "psftp", "alice+scan01@127.0.0.1")) as terminal:
        await log_in(terminal, bastion.answers())
        for line in (f"put {sent} psftp.bin", f"get psftp.bin {got}", "quit"):
            await terminal.expect(b"psftp> ")
            terminal.send(line.encode() + b"\r")
        assert await terminal.wait() == 0
    for source, target in (
        (str(sent), "alice+scan01@127.0.0.1:pscp.bin"),
        ("alice+scan01@127.0.0.1:pscp.bin", str(copied)),
    ):
        async with bastion.client.terminal(putty(bastion, "pscp", "-q", source, target)) as terminal:
            await log_in(terminal, bastion.answers())
            assert await terminal.wait() == 0, terminal.seen
    assert got.read_bytes() == copied.read_bytes() == data
    assert (bastion.device.home / "psftp.bin").read_bytes() == data
    await bastion.closed()
    digests = [
        facts(frame).get("sha256")
        for session in bastion.sessions()
        for frame in await bastion.frames(session)
        if frame.type is FrameType.FILE and facts(frame)["phase"] == "done"
    ]
    assert digests.count(hashlib.sha256(data).hexdigest()) == 4


@pytest.mark.client("Dropbear dbclient", "password + code", "command")
@pytest.mark.client("Dropbear dbclient", "password + code", "shell")
async def test_dbclient_runs_a_command_and_a_shell(bastion: Bastion) -> None:
    """Dropbear's client logs in by password and code, for a command and for a shell on its terminal."""
    async with bastion.client.terminal(dbclient(bastion, "alice+scan01@127.0.0.1", BOTH_STREAMS)) as terminal:
        await log_in(terminal, bastion.answers())
        assert await terminal.wait() == 3
        assert b"to-out" in terminal.seen
    async with bastion.client.terminal(dbclient(bastion, "alice+scan01@127.0.0.1")) as terminal:
        await log_in(terminal, bastion.answers())
        await terminal.expect(b"maint@scan01")
        terminal.send(b"stty size; exit 4\r")
        await terminal.expect(b"24 80")
        assert await terminal.wait() == 4


@pytest.mark.client("Dropbear dbclient", "key + code", "command")
async def test_dbclient_with_a_key_still_wants_the_code(bastion: Bastion, tmp_path: Path) -> None:
    """Dropbear's key is a partial success; the code alone is asked then."""
    key = await enrolled_key(bastion)
    (tmp_path / "key").write_bytes(key.export_private_key())
    converted = tmp_path / "key.dropbear"
    made = await bastion.client.run(
        ["dropbearconvert", "openssh", "dropbear", str(tmp_path / "key"), str(converted)]
    )
    assert made.rc == 0, made.said
    command = dbclient(bastion, "alice+scan01@127.0.0.1", "exit 3", key=converted)
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.code())
        assert await terminal.wait() == 3
    assert await proved(bastion) == [["public-key", "totp"]]


@pytest.mark.parametrize(
    "by_key",
    [
        pytest.param(
            by_key,
            id=name,
            marks=[pytest.mark.client("Paramiko", factors, channel) for channel in ("command", "sftp")],
        )
        for by_key, name, factors in ((False, "password", "password + code"), (True, "key", "key + code"))
    ],
)
async def test_paramiko_works_on_one_log_in(bastion: Bastion, tmp_path: Path, *, by_key: bool) -> None:
    """Paramiko logs in either way, runs a command with its streams apart, and carries a file both ways."""
    key = await enrolled_key(bastion)
    answers = bastion.code() if by_key else bastion.answers()
    pem = tmp_path / "key"
    pem.write_bytes(key.export_private_key())
    data = os.urandom(100_003)
    (tmp_path / "sent").write_bytes(data)

    def work() -> tuple[bytes, bytes, int]:
        with paramiko.Transport(("127.0.0.1", bastion.gateway.port)) as transport:
            transport.start_client(timeout=60)
            if by_key:
                left = transport.auth_publickey("alice+scan01", paramiko.Ed25519Key(filename=str(pem)))
                assert left == ["keyboard-interactive"]
            transport.auth_interactive("alice+scan01", lambda _title, _text, _prompts: answers)
            channel = transport.open_session()
            channel.exec_command(BOTH_STREAMS)
            said = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
            status = channel.recv_exit_status()
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            sftp.put(str(tmp_path / "sent"), "paramiko.bin")
            sftp.get("paramiko.bin", str(tmp_path / "back"))
            return *said, status

    assert await asyncio.to_thread(work) == (b"to-out\n", b"to-err\n", 3)
    assert (tmp_path / "back").read_bytes() == data
    assert await proved(bastion) == [["public-key" if by_key else "password", "totp"]]
