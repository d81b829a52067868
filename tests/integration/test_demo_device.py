"""The demonstration device is a real SSH server that stock clients reach by its one account."""

import asyncio
import base64
import os
import re
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from ecluse.demo.device import DemoDevice
from ecluse.demo.errors import DemoError
from ecluse.demo.ports import free_port
from ecluse.demo.processes import is_alive
from tests.support.openssh import Finished, options, run
from tests.support.waiting import eventually

pytest_plugins = ["tests.support.sshd"]
pytestmark = pytest.mark.integration


class Client:
    """The stock OpenSSH programs, holding the account's key and knowing the device's."""

    def __init__(self, device: DemoDevice, folder: Path) -> None:
        self.device = device
        self._known = folder / "known_hosts"
        self._key = folder / "key"
        self._key.touch(mode=0o600)
        self._key.write_text(device.account.private_key or "", encoding="ascii")
        self.trust_now()

    def trust_now(self) -> None:
        """Pin the host key that the device says it has."""
        place = f"[{self.device.host}]:{self.device.port}"
        self._known.write_text(f"{place} {self.device.host_key_public}\n", encoding="ascii")

    @property
    def options(self) -> list[str]:
        """What ssh, scp and sftp all understand."""
        return options(self._known, key=self._key)

    @property
    def place(self) -> str:
        """``account@host``."""
        return f"{self.device.account.name}@{self.device.host}"

    async def ssh(self, *arguments: str, stdin: bytes = b"") -> Finished:
        """Run ssh to the device; options of *arguments* come before the host."""
        return await run("ssh", "-p", str(self.device.port), *self.options, *arguments, stdin=stdin)


@pytest.fixture
def client(device: DemoDevice, tmp_path: Path) -> Client:
    """Give a client of the running device."""
    return Client(device, tmp_path)


def by_password(device: DemoDevice, password: str) -> str:
    """Log in with a password and give what the account is called there."""
    with paramiko.SSHClient() as client:
        client.get_host_keys().add(
            f"[{device.host}]:{device.port}",
            "ssh-ed25519",
            paramiko.Ed25519Key(data=base64.b64decode(device.host_key_public.split()[1])),
        )
        client.connect(
            device.host,
            device.port,
            device.account.name,
            password,
            look_for_keys=False,
            allow_agent=False,
            timeout=60,
        )
        _, output, _ = client.exec_command("echo $USER", timeout=60)
        return output.read().decode().strip()


async def test_key_runs_a_command(device: DemoDevice, client: Client) -> None:
    """The account's key opens it, the exit status comes back, and error output stays apart."""
    done = await client.ssh(client.place, 'echo "$USER $HOME"; echo oops >&2; exit 3')
    assert (done.status, done.output, done.errors) == (3, f"maint {device.home}\n".encode(), b"oops\n")


async def test_password_opens_the_account(device: DemoDevice) -> None:
    """The account's password opens it."""
    assert await asyncio.to_thread(by_password, device, device.account.password or "") == "maint"


@pytest.mark.parametrize("password", ["", "x", "maint"])
async def test_other_passwords_do_not(device: DemoDevice, password: str) -> None:
    """No other password opens it, the empty one included."""
    with pytest.raises(paramiko.AuthenticationException):
        await asyncio.to_thread(by_password, device, password)


async def test_other_accounts_do_not_exist(device: DemoDevice, client: Client) -> None:
    """The accounts of this machine are unknown to the device, whatever key is shown."""
    done = await client.ssh(f"root@{device.host}", "true")
    assert done.status == 255
    assert "Invalid user root" in device.log()


async def test_terminal(client: Client) -> None:
    """A terminal is a terminal, and the prompt names account and device."""
    done = await client.ssh("-tt", client.place, stdin=b"tty\nexit 4\n")
    assert done.status == 4
    assert re.search(rb"/dev/pts/\d+\r\n", done.output)
    assert b"maint@scan01" in done.output


@pytest.mark.parametrize("mode", ["-O", "-s"])
async def test_scp_both_ways(device: DemoDevice, client: Client, tmp_path: Path, mode: str) -> None:
    """Scp carries a file there and back unchanged, by its old protocol and over sftp."""
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(300_000))
    scp = ["scp", mode, "-P", str(device.port), *client.options]
    there = await run(*scp, str(sent), f"{client.place}:put")
    again = await run(*scp, f"{client.place}:put", str(back))
    assert (there.status, again.status) == (0, 0)
    assert (device.home / "put").read_bytes() == back.read_bytes() == sent.read_bytes()


async def test_rsync(device: DemoDevice, client: Client, tmp_path: Path) -> None:
    """Rsync carries a folder there."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "one").write_bytes(b"1" * 10_000)
    shell = " ".join(["ssh", "-p", str(device.port), *client.options])
    done = await run("rsync", "-a", "-e", shell, f"{source}/", f"{client.place}:copied/")
    assert done.status == 0, done.errors
    assert (device.home / "copied" / "one").read_bytes() == b"1" * 10_000


async def test_session_processes_are_seen(device: DemoDevice, client: Client) -> None:
    """A session's processes appear while it lives and are gone after it."""
    assert device.processes() == []
    session = asyncio.create_task(client.ssh(client.place, "echo here; exec sleep 600"))
    await eventually(lambda: any(command(pid) == ["sleep", "600"] for pid in device.processes()))
    for pid in device.processes():
        if command(pid) == ["sleep", "600"]:
            os.kill(pid, signal.SIGTERM)
    await session
    await eventually(lambda: device.processes() == [])


async def test_orphans_are_seen_and_ended(device: DemoDevice, client: Client) -> None:
    """A process that outlives its connection and ignores HUP and TERM is still the device's, and stop ends it."""
    done = await client.ssh(
        client.place, "(trap '' HUP TERM; while :; do sleep 0.01; done) </dev/null >/dev/null 2>&1 & echo $!"
    )
    orphan = int(done.output)
    await eventually(lambda: orphan in device.processes())
    await device.stop()
    assert not is_alive(orphan)
    assert device.processes() == []


async def test_host_key_replaced(device: DemoDevice, client: Client) -> None:
    """After a replaced host key and a restart on the same port, a client that pinned the first one refuses."""
    port, first = device.port, device.host_key_public
    device.replace_host_key()
    await device.restart()
    assert device.port == port
    assert device.host_key_public != first
    refused = await client.ssh(client.place, "true")
    assert refused.status == 255
    client.trust_now()
    accepted = await client.ssh(client.place, "true")
    assert accepted.status == 0


async def test_extra_configuration_wins(tmp_path: Path) -> None:
    """Lines of one's own win over the device's, and secrets and ports differ between devices."""
    first = await DemoDevice.start(tmp_path / "one", "one", extra_config="PasswordAuthentication no")
    try:
        second = await DemoDevice.start(tmp_path / "two", "two", account_name="svc")
        try:
            assert first.port != second.port
            assert first.account.password != second.account.password
            assert first.account.private_key != second.account.private_key
            assert second.account.name == "svc"
            with pytest.raises(paramiko.BadAuthenticationType):
                await asyncio.to_thread(by_password, first, first.account.password or "")
        finally:
            await second.stop()
    finally:
        await first.stop()


async def test_stop_is_final_and_harmless_twice(device: DemoDevice) -> None:
    """Once stopped, nothing runs and nothing listens, and stopping again changes nothing."""
    pid, port = device.pid, device.port
    await device.stop()
    await device.stop()
    assert not is_alive(pid)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(device.host, port)
    with pytest.raises(DemoError, match="not running"):
        _ = device.pid


@pytest.mark.parametrize("folder", ["a:b", 'a"b', "a%b", "a\\b"])
async def test_unfit_folder(tmp_path: Path, folder: str) -> None:
    """A folder whose name sshd could not read is refused before anything is written."""
    with pytest.raises(DemoError, match="choose another folder"):
        await DemoDevice.start(tmp_path / folder, "scan01")
    assert list(tmp_path.iterdir()) == []


async def test_folder_in_use(device: DemoDevice, tmp_path: Path) -> None:
    """A folder that holds a device already is not written over."""
    before = device.host_key_public
    with pytest.raises(DemoError, match="already holds a device"):
        await DemoDevice.start(tmp_path / "scan01", "scan01")
    assert (device.home.parent / "etc" / "host_key.pub").read_text(encoding="ascii").strip() == before


async def test_bad_configuration_says_so(tmp_path: Path) -> None:
    """An sshd that does not come up is an error that holds what it said."""
    with pytest.raises(DemoError, match="NoSuchDirective"):
        await DemoDevice.start(tmp_path / "scan01", "scan01", extra_config="NoSuchDirective yes")


async def test_secrets_do_not_show(device: DemoDevice) -> None:
    """The account's representation and the device's log hold neither password nor key."""
    await asyncio.to_thread(by_password, device, device.account.password or "")
    shown = repr(device.account) + device.log()
    for secret in secrets_of(device):
        assert secret not in shown


def secrets_of(device: DemoDevice) -> Iterator[str]:
    """Give the password and each line of the private key."""
    yield device.account.password or "missing"
    yield from (device.account.private_key or "missing").splitlines()[1:-1]


def command(pid: int) -> list[str]:
    """Give the command line of a process, or nothing when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    except OSError:
        return []


def test_a_port_for_later_is_nobody_else_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody listens on, and one that was given to somebody, are passed over."""
    given = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offered = iter([taken.getsockname()[1] - 10240, given - 10240, *range(1000, 1100)])
        monkeypatch.setattr(secrets, "randbelow", lambda _most: next(offered))
        got = free_port()
        assert 11240 <= got < 11340
        assert got != given
