"""ssh -J: the second hop ends in the gateway, is decided and recorded there, and the code is asked once."""

import asyncio
import hashlib
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.trace.frames import FrameType
from tests.support.bastion import Bastion, output
from tests.support.jump import Laptop
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def laptop(bastion: Bastion) -> Laptop:
    """A machine that believes the host CA and nothing else."""
    return Laptop(bastion)


@pytest.mark.client("OpenSSH ssh -J", "password + code", "command")
async def test_a_command_by_a_jump_is_asked_one_code_and_recorded(bastion: Bastion, laptop: Laptop) -> None:
    """Ssh -J to the account at the device asks one password and one code, runs, and leaves one trace."""
    ended = await laptop.run(laptop.ssh("maint@scan01", "echo out; echo err >&2; exit 3"))
    assert ended.rc == 3, ended.said
    assert ended.stdout == b"out\n"
    assert "err" in ended.said
    assert len(ended.prompts) == 2
    await bastion.closed()
    frames = await bastion.frames()
    assert output(frames) == b"out\n"
    assert FrameType.REQUEST in {frame.type for frame in frames}


async def test_trace_and_journal_say_that_it_was_a_jump(bastion: Bastion, laptop: Laptop) -> None:
    """The header keeps the true source, the factors and the client of the outer log-in; the journal says jumped."""
    await laptop.run(laptop.ssh("maint@scan01", "true"))
    await bastion.closed()
    header = bastion.header()
    assert header.decision["jumped"] is True
    assert header.source == "127.0.0.1"
    assert header.factors == ["password", "totp"]
    assert (header.account, header.device["name"]) == ("maint", "scan01")
    assert "OpenSSH" in (header.client_version or "")
    opened = await bastion.events("session.opened")
    assert [dict(one.event.details).get("jumped") for one in opened] == [True]


@pytest.mark.parametrize("target", ["scan01", "alice@scan01"])
async def test_without_an_account_the_devices_only_one_serves(
    bastion: Bastion, laptop: Laptop, target: str
) -> None:
    """A client that sends her own login before @device names no account: the only one serves."""
    laptop.more("Match host scan01\n    User alice\n" if "@" not in target else "")
    ended = await laptop.run(laptop.ssh(target, "echo here"))
    assert ended.stdout == b"here\n", ended.said


@pytest.mark.client("OpenSSH ssh -J", "password + code", "shell")
async def test_a_terminal_by_a_jump_is_welcomed_and_resized(bastion: Bastion, laptop: Laptop) -> None:
    """A shell on a terminal: the welcome, the device's own size, keystrokes and the exit status."""
    command = laptop.ssh("maint@scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers(), size=(33, 101)) as terminal:
        await terminal.expect(b"scan01")
        terminal.send(b"stty size; exit 4\n")
        await terminal.expect(b"33 101")
        assert await terminal.wait() == 4


@pytest.mark.parametrize(
    "legacy",
    [
        pytest.param([], marks=pytest.mark.client("OpenSSH scp -J", "password + code", "sftp")),
        pytest.param(["-O"], marks=pytest.mark.client("OpenSSH scp -O -J", "password + code", "command")),
    ],
)
async def test_scp_both_ways(bastion: Bastion, laptop: Laptop, tmp_path: Path, legacy: list[str]) -> None:
    """Scp -J, new and old protocol, carries a file there and back unchanged."""
    local, back = tmp_path / "fix.bin", tmp_path / "back.bin"
    local.write_bytes(bytes(range(256)) * 1000)
    remote = f"maint@scan01:{tmp_path}/remote.bin"
    scp = ["scp", *legacy, *laptop.files, "-J", laptop.outer()]
    sent = await laptop.run([*scp, str(local), remote])
    fetched = await laptop.run([*scp, remote, str(back)])
    assert (sent.rc, fetched.rc) == (0, 0), sent.said + fetched.said
    assert hashlib.sha256(back.read_bytes()).digest() == hashlib.sha256(local.read_bytes()).digest()


@pytest.mark.client("OpenSSH sftp -J", "password + code", "sftp")
async def test_sftp(bastion: Bastion, laptop: Laptop, tmp_path: Path) -> None:
    """Sftp -J puts a file, and the trace names it."""
    local = tmp_path / "fix.bin"
    local.write_bytes(b"fix" * 1000)
    command = ["sftp", *laptop.files, "-J", laptop.outer(), "-b", "-", "maint@scan01"]
    ended = await laptop.run(command, input=f"put {local} {tmp_path}/put.bin\n".encode())
    assert ended.rc == 0, ended.said
    assert (tmp_path / "put.bin").read_bytes() == local.read_bytes()
    await bastion.closed()
    assert FrameType.FILE in {frame.type for frame in await bastion.frames()}


@pytest.mark.client("rsync, ssh -J", "password + code", "command")
async def test_rsync(bastion: Bastion, laptop: Laptop, tmp_path: Path) -> None:
    """Rsync -e 'ssh -J' copies a tree."""
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/file").write_bytes(b"content" * 5000)
    shell = shlex.join(["ssh", *laptop.files, "-J", laptop.outer()])
    ended = await laptop.run(
        ["rsync", "-a", "-e", shell, f"{tmp_path}/tree/", f"maint@scan01:{tmp_path}/copy/"]
    )
    assert ended.rc == 0, ended.said
    assert (tmp_path / "copy/below/file").read_bytes() == b"content" * 5000


@pytest.mark.client("OpenSSH ssh -W", "password + code", "command")
async def test_a_proxy_command_with_w(bastion: Bastion, laptop: Laptop) -> None:
    """ProxyCommand ssh -W %h:%p, as older configurations have it, works like -J."""
    outer = f"ssh {shlex.join(laptop.files)} -p {bastion.gateway.port} -W %h:%p alice@127.0.0.1"
    ended = await laptop.run(["ssh", *laptop.files, "-o", f"ProxyCommand={outer}", "maint@scan01", "echo w"])
    assert ended.stdout == b"w\n", ended.said


async def test_a_log_in_that_names_the_device_may_jump_to_it(bastion: Bastion, laptop: Laptop) -> None:
    """Ssh -J alice+scan01@bastion scan01 works, with the account named on either hop."""
    ended = await laptop.run(laptop.ssh("maint@scan01", "echo ok", login="alice+scan01"))
    assert ended.stdout == b"ok\n", ended.said
    ended = await laptop.run(laptop.ssh("alice@scan01", "echo ok", login="alice+scan01+maint"))
    assert ended.stdout == b"ok\n", ended.said


async def test_the_devices_own_port_may_be_named(bastion: Bastion, laptop: Laptop) -> None:
    """A client that names the port at which the device itself listens is served like one that names 22."""
    command = laptop.ssh("maint@scan01", "echo port", options=["-p", str(bastion.device.port)])
    ended = await laptop.run(command)
    assert ended.stdout == b"port\n", ended.said


@pytest.mark.client("OpenSSH ssh -J, ControlMaster", "password + code", "command")
async def test_one_log_in_shared_by_several_jumps(bastion: Bastion, laptop: Laptop, tmp_path: Path) -> None:
    """ControlMaster on the outer hop: two jumps, one code, two sessions; ending the master ends what is inside."""
    control = tmp_path / "m"
    master = [
        *("ssh", *laptop.files, "-M", "-N", "-S", str(control), "-p", str(bastion.gateway.port)),
        "alice@127.0.0.1",
    ]
    process = await bastion.client.start(master, answers=bastion.answers())
    try:
        await eventually(control.exists)
        laptop.more(f"Match host 127.0.0.1\n    ControlPath {control}\n")
        for number in range(2):
            ended = await laptop.run(laptop.ssh("maint@scan01", f"echo {number}"), answers=[])
            assert ended.stdout == f"{number}\n".encode(), ended.said
        assert ended.prompts == ()
        inner = await bastion.client.start(laptop.ssh("maint@scan01", "echo up; sleep 60"))
        assert inner.stdout is not None
        assert await asyncio.wait_for(inner.stdout.readline(), 60) == b"up\n"
    finally:
        process.terminate()
        await process.wait()
    assert await asyncio.wait_for(inner.wait(), 60) == 255
    await bastion.closed()
    await eventually(lambda: bastion.gateway.connections == 0)
    assert len(bastion.sessions()) == 3


async def test_several_channels_over_one_inner_connection(
    bastion: Bastion, laptop: Laptop, tmp_path: Path
) -> None:
    """What VS Code Remote does: one inner connection, a long-lived channel and several commands beside it, one trace."""
    control = tmp_path / "c"
    laptop.more(f"Match host scan01\n    ControlPath {control}\n")
    server = await bastion.client.start(
        laptop.ssh("maint@scan01", "cat", options=["-M"]), answers=bastion.answers()
    )
    await eventually(control.exists)
    ended = await asyncio.gather(
        *(laptop.run(laptop.ssh("maint@scan01", f"echo {n}"), answers=[]) for n in range(4))
    )
    assert [one.stdout for one in ended] == [f"{n}\n".encode() for n in range(4)]
    out, _ = await asyncio.wait_for(server.communicate(b"still there\n"), 60)
    assert out == b"still there\n"
    await bastion.closed()
    assert len(bastion.sessions()) == 1


async def test_keys_are_renewed_on_both_hops(bastion: Bastion, laptop: Laptop) -> None:
    """OpenSSH renews its keys every megabyte, outside and inside: a stream passes whole."""
    laptop.more("RekeyLimit 1M\n")
    ended = await laptop.run(
        laptop.ssh("maint@scan01", "head -c 12000000 /dev/zero; cat"), input=b"x" * 3_000_000
    )
    assert ended.rc == 0, ended.said
    assert len(ended.stdout) == 15_000_000


async def test_a_drain_takes_in_no_jump_and_ends_those_inside(bastion: Bastion, laptop: Laptop) -> None:
    """A gateway that restarts tells who is inside by a jump, and closes both legs when its delay is over."""
    await bastion.restart_gateway(drain_seconds=0.5)
    inner = await bastion.client.start(
        laptop.ssh("maint@scan01", "echo up; sleep 60"), answers=bastion.answers()
    )
    assert inner.stdout is not None
    assert await asyncio.wait_for(inner.stdout.readline(), 60) == b"up\n"
    await asyncio.wait_for(bastion.gateway.drain(), 60)
    _, err = await asyncio.wait_for(inner.communicate(), 60)
    assert inner.returncode == 255
    assert "redémarre" in err.decode()
    await eventually(lambda: bastion.gateway.connections == 0)


async def test_the_outer_connection_is_not_swept_while_one_inside_lives(
    bastion: Bastion, laptop: Laptop
) -> None:
    """An outer connection has no channel of its own: it is not taken for an idle one, until the inner one is gone."""
    inner = await bastion.client.start(
        laptop.ssh("maint@scan01", "echo up; read line; echo $line"), answers=bastion.answers()
    )
    assert inner.stdout is not None
    assert await asyncio.wait_for(inner.stdout.readline(), 60) == b"up\n"
    bastion.clock.advance(
        timedelta(minutes=4)
    )  # twice the limit of an idle connection, half of the session's
    bastion.gateway.sweep()
    out, _ = await asyncio.wait_for(inner.communicate(b"alive\n"), 60)
    assert out == b"alive\n"
    await eventually(lambda: bastion.gateway.connections == 0)


async def test_the_configuration_that_she_fetches_works_as_it_says(bastion: Bastion, laptop: Laptop) -> None:
    """What ssh-config prints, saved and cut as its comments say, reaches scan01 by its name there, with no other option."""
    folder = bastion.directory / "dot-ssh"
    folder.mkdir()
    fetched = await bastion.client.ssh("alice", "ssh-config", answers=bastion.answers())
    assert fetched.rc == 0, fetched.said
    text = fetched.stdout.decode().replace("~/.ssh", str(folder))
    config = folder / "ecluse-127.0.0.1.conf"
    config.write_text(text)
    cut = [line[1:] for line in text.splitlines() if line.startswith("#@")]
    (folder / "ecluse-127.0.0.1.known_hosts").write_text("\n".join(cut) + "\n")
    ended = await laptop.run(
        ["ssh", "-F", str(config), "-o", "IdentityAgent=none", "scan01.127.0.0.1", "echo by name"]
    )
    assert ended.stdout == b"by name\n", ended.said
    assert len(ended.prompts) == 2
