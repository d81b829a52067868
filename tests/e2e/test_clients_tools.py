"""What people build on SSH: Ansible, git, sshfs, libssh; and mosh, which no trace could hold."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import asyncssh
import pytest

from tests.support.bastion import Bastion
from tests.support.ssh_client import Finished
from tests.support.waiting import answered

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parents[1] / "support"


def ssh_line(bastion: Bastion, *options: str) -> str:
    """Return the ``ssh`` command that a tool is told to use."""
    return " ".join(["ssh", *bastion.client.options(), "-p", str(bastion.gateway.port), *options])


@pytest.mark.client("git", "password + code", "command")
async def test_git_clones_and_pushes(bastion: Bastion, tmp_path: Path) -> None:
    """Git clones from a repository on the device and pushes to it, each by a command of its own."""
    made = await bastion.client.run(["git", "init", "-q", "--bare", str(bastion.device.home / "r.git")])
    assert made.rc == 0, made.said
    clone = tmp_path / "clone"

    async def git(*arguments: str, answers: Sequence[str] = ()) -> Finished:
        identity = ("-c", "user.name=Alice", "-c", "user.email=alice@imagix.example")
        speaking = ("-c", f"core.sshCommand={ssh_line(bastion)}", "-c", "init.defaultBranch=main")
        return await bastion.client.run(["git", *identity, *speaking, *arguments], answers=answers)

    url = "alice+scan01@127.0.0.1:r.git"
    cloned = await git("clone", "-q", url, str(clone), answers=bastion.answers())
    assert cloned.rc == 0, cloned.said
    (clone / "protocol.txt").write_text("dose 3\n")
    for arguments in (("add", "protocol.txt"), ("commit", "-qm", "Lower the dose")):
        assert (await git("-C", str(clone), *arguments)).rc == 0
    pushed = await git("-C", str(clone), "push", "-q", "origin", "HEAD:main", answers=bastion.answers())
    assert pushed.rc == 0, pushed.said
    kept = await bastion.client.run(
        ["git", "-C", str(bastion.device.home / "r.git"), "log", "--format=%s", "main"]
    )
    assert kept.stdout == b"Lower the dose\n"


@pytest.mark.client("sshfs", "password + code", "sftp")
async def test_sshfs_mounts_the_device(bastion: Bastion, tmp_path: Path) -> None:
    """A mounted folder of the device is read and written like one of this machine."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("this machine lets nobody mount by FUSE")
    mount = tmp_path / "mount"
    mount.mkdir()
    (bastion.device.home / "dose.txt").write_text("3 mGy\n")
    command = ["sshfs", "-f", "-o", f"ssh_command={ssh_line(bastion)}", "alice+scan01@127.0.0.1:", str(mount)]
    process = await bastion.client.start(command, answers=bastion.answers())

    async def mounted() -> bool:
        # asking the mounted folder itself would wait for the gateway, which is in this process
        if str(mount) in Path("/proc/self/mounts").read_text():
            return True
        if process.returncode is not None:
            said = (await process.stderr.read()).decode() if process.stderr else ""
            if "fuse" in said:
                pytest.skip(f"this machine lets nobody mount: {said.strip()}")
            pytest.fail(said)
        return False

    try:
        await answered(mounted)
        assert await asyncio.to_thread((mount / "dose.txt").read_text) == "3 mGy\n"
        await asyncio.to_thread((mount / "note.txt").write_text, "seen\n")
    finally:
        await bastion.client.run(["fusermount3", "-u", "-z", str(mount)])
        if process.returncode is None:
            process.terminate()
        await process.wait()
    assert (bastion.device.home / "note.txt").read_text() == "seen\n"


@pytest.mark.client("libssh", "password + code", "command")
@pytest.mark.client("libssh", "password + code", "sftp")
async def test_libssh_works_on_one_log_in(bastion: Bastion) -> None:
    """A program made with libssh runs a command, gets its status, and carries a file both ways."""
    command = [sys.executable, str(HERE / "libssh_client.py"), "127.0.0.1", str(bastion.gateway.port)]
    command += ["alice+scan01", "-", *bastion.answers(), "--", "echo to-out; exit 3"]
    done = await bastion.client.run(command)
    assert (done.rc, done.stdout) == (3, b"to-out\n"), done.said


@pytest.mark.client("Ansible, ssh", "password + code", "command")
@pytest.mark.client("Ansible, ssh", "password + code", "sftp")
async def test_ansible_works_on_a_connection_made_before(bastion: Bastion, tmp_path: Path) -> None:
    """Ansible runs its modules over a shared connection that the person opened once, with her code."""
    control = tmp_path / "cm"
    shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={control}", "-o", "ControlPersist=300s"]
    opened = await bastion.client.ssh("alice+scan01", "true", options=shared, answers=bastion.answers())
    assert opened.rc == 0, opened.said
    arguments = " ".join([*bastion.client.options(), *shared])
    facts = {
        "ansible_host": "127.0.0.1",
        "ansible_port": str(bastion.gateway.port),
        "ansible_user": "alice+scan01",
        "ansible_ssh_common_args": f"'{arguments}'",
        "ansible_control_path": str(control),
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(bastion.device.home / "tmp"),
    }
    inventory = tmp_path / "inventory"
    inventory.write_text("scan01 " + " ".join(f"{name}={value}" for name, value in facts.items()) + "\n")
    (tmp_path / "dose.txt").write_text("3 mGy\n")
    ansible = [str(Path(sys.executable).with_name("ansible")), "scan01", "-i", str(inventory), "-m"]
    for module in (
        ["ping"],
        ["copy", "-a", f"src={tmp_path / 'dose.txt'} dest={bastion.device.home}/dose.txt"],
    ):
        done = await bastion.client.run([*ansible, *module], seconds=180)
        assert done.rc == 0, done.stdout.decode() + done.said
    assert (bastion.device.home / "dose.txt").read_text() == "3 mGy\n"
    await bastion.client.run(["ssh", "-O", "exit", "-o", f"ControlPath={control}", "x"])


@pytest.mark.client("Ansible, paramiko", "key, continued", "command")
async def test_ansible_by_paramiko_continues_a_log_in(bastion: Bastion, tmp_path: Path) -> None:
    """Paramiko cannot ask for a code: it goes on with its key where the hospital lets a log-in be continued."""
    world, alice = bastion.world, bastion.world.who("alice")
    key = tmp_path / "key"
    made = asyncssh.generate_private_key("ssh-ed25519")
    made.write_private_key(key)
    key.chmod(0o600)
    await world.services.people.add_key(
        alice, world.id, alice, made.export_public_key().decode().strip(), label="laptop"
    )
    await world.services.hospitals.allow_continuations(world.who("dsi"), world.id, seconds=60, connections=3)
    opened = await bastion.client.ssh("alice+scan01", "true", key=key, answers=bastion.code())
    assert opened.rc == 0, opened.said
    facts = {
        "ansible_connection": "paramiko_ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": str(bastion.gateway.port),
        "ansible_user": "alice+scan01",
        "ansible_ssh_private_key_file": str(key),
        "ansible_paramiko_host_key_checking": "false",
        "ansible_python_interpreter": sys.executable,
    }
    inventory = tmp_path / "inventory"
    inventory.write_text("scan01 " + " ".join(f"{name}={value}" for name, value in facts.items()) + "\n")
    ansible = [str(Path(sys.executable).with_name("ansible")), "scan01", "-i", str(inventory)]
    done = await bastion.client.run([*ansible, "-m", "raw", "-a", "echo by-paramiko"], seconds=180)
    assert done.rc == 0, done.stdout.decode() + done.said
    assert b"by-paramiko" in done.stdout


@pytest.mark.client("mosh", "password + code", "shell", "refused")
async def test_mosh_is_refused_with_its_reason(bastion: Bastion) -> None:
    """Mosh's server would answer by UDP, beside every trace: it does not start, and the person reads why."""
    command = ["mosh", f"--ssh={ssh_line(bastion)}", "alice+scan01@127.0.0.1"]
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        assert await terminal.wait() != 0
        assert b"mosh continue par UDP" in terminal.seen
