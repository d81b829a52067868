"""Jumps as other clients make them: PuTTY's two ways, dropbear's hops, paramiko's channel, Ansible's arguments."""

import asyncio
import shlex
import shutil
import sys
from pathlib import Path

import paramiko
import pytest

from tests.support.bastion import Bastion
from tests.support.dialogue import host_key_fingerprint, log_in, putty
from tests.support.jump import Laptop, save_putty_session
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

BOTH_STREAMS = "echo to-out; echo to-err >&2; exit 3"


async def jumped(bastion: Bastion) -> list[object]:
    """Return, for each session that was opened, whether the journal says that it came by a jump."""
    await bastion.closed()
    return [entry.event.details.get("jumped") for entry in await bastion.events("session.opened")]


@pytest.mark.client("PuTTY plink, SSH proxy", "password + code", "command")
async def test_putty_goes_by_an_ssh_proxy(bastion: Bastion) -> None:
    """PuTTY's "SSH to proxy and use port forwarding", with the host CA in its list: one log-in, no question on keys."""
    save_putty_session(bastion)
    command = ["plink", "-no-antispoof", "-load", "scan01", BOTH_STREAMS]
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.answers())
        assert await terminal.wait() == 3, terminal.seen
        assert b"to-out" in terminal.seen
        assert b"to-err" in terminal.seen
    assert await jumped(bastion) == [True]


@pytest.mark.client("PuTTY plink, -proxycmd", "password + code", "command")
async def test_plink_goes_by_a_proxy_command(bastion: Bastion) -> None:
    """Plink through another plink (-nc), as PuTTY versions without SSH proxies do it."""
    outer = putty(bastion, "plink", "-nc", "%host:%port", "alice@127.0.0.1")
    inner = ["plink", "-ssh", "-no-antispoof", "-hostkey", host_key_fingerprint(bastion)]
    command = [*inner, "-proxycmd", shlex.join(outer), "maint@scan01", "exit 3"]
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.answers())
        assert await terminal.wait() == 3, terminal.seen
    assert await jumped(bastion) == [True]


@pytest.mark.client("Dropbear dbclient, hops", "password + code", "command")
async def test_dbclient_goes_by_its_hops(bastion: Bastion) -> None:
    """Dropbear writes hops with a comma: the second is the account at the device."""
    hops = f"alice@127.0.0.1/{bastion.gateway.port},maint@scan01"
    program = shutil.which("dbclient") or "dbclient"  # it starts itself again, and does not look in PATH
    async with bastion.client.terminal([program, "-y", "-y", hops, "exit 3"]) as terminal:
        await log_in(terminal, bastion.answers())
        assert await terminal.wait() == 3, terminal.seen
    assert await jumped(bastion) == [True]


@pytest.mark.client("Paramiko, direct-tcpip", "password + code", "command")
async def test_paramiko_goes_by_a_channel(bastion: Bastion) -> None:
    """A program with paramiko opens a channel to scan01 and logs in inside it without any factor."""
    port, answers = bastion.gateway.port, bastion.answers()

    def work() -> tuple[bytes, int]:
        outer = paramiko.Transport(("127.0.0.1", port))
        try:
            outer.start_client(timeout=60)
            given = iter(answers)
            outer.auth_interactive("alice", lambda *asked: [next(given) for _ in asked[2]])
            road = outer.open_channel("direct-tcpip", ("scan01", 22), ("127.0.0.1", 0))
            inner = paramiko.Transport(road)
            inner.start_client(timeout=60)
            inner.auth_none("maint")
            channel = inner.open_session()
            channel.exec_command("echo inside; exit 3")
            return channel.makefile("rb").read(), channel.recv_exit_status()
        finally:
            outer.close()

    assert await asyncio.to_thread(work) == (b"inside\n", 3)
    assert await jumped(bastion) == [True]


@pytest.mark.client("Ansible, ssh -J", "password + code", "command")
async def test_ansible_jumps_by_its_common_arguments(bastion: Bastion, tmp_path: Path) -> None:
    """ansible_ssh_common_args with -J: the outer connection is shared, the modules run under the dedicated account."""
    laptop, control = Laptop(bastion), tmp_path / "m"
    master = ["ssh", *laptop.files, "-M", "-N", "-S", str(control), "-p", str(bastion.gateway.port)]
    process = await bastion.client.start([*master, "alice@127.0.0.1"], answers=bastion.answers())
    try:
        await eventually(control.exists)
        laptop.more(f"Match host 127.0.0.1\n    ControlPath {control}\n")
        common = shlex.join([*laptop.files, "-J", laptop.outer()])
        (tmp_path / "inventory").write_text(
            f'scan01 ansible_user=maint ansible_ssh_common_args="{common}" ansible_control_path={tmp_path}/i '
            f"ansible_control_path_dir={tmp_path} ansible_python_interpreter={sys.executable} ansible_remote_tmp={bastion.device.home}/tmp\n"
        )
        ansible = [
            str(Path(sys.executable).with_name("ansible")),
            "scan01",
            "-i",
            str(tmp_path / "inventory"),
        ]
        done = await bastion.client.run([*ansible, "-m", "ping"], seconds=180)
        assert done.rc == 0, done.stdout.decode() + done.said
        assert b"pong" in done.stdout
    finally:
        process.terminate()
        await process.wait()
    assert set(await jumped(bastion)) == {True}
