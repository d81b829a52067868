"""A demonstration makes room for itself where a killed one lies, and nowhere else."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.demo.errors import DemoError
from ecluse.demo.leftovers import OWNER, claim, collect, device_mark, make_room, mark, temporary_folder
from ecluse.demo.openssh import OpenSsh, check_installed
from ecluse.demo.processes import identity, is_alive, is_over
from tests.support.installed import ecluse, tree
from tests.support.waiting import eventually, until

STAY = "import time; time.sleep(600)"


@pytest.fixture
def dead() -> int:
    """The pid of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    return ended.pid


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to the demonstration in ``demo`` and outlived it."""
    environment = {**os.environ, **mark(tmp_path / "demo")}
    with subprocess.Popen([sys.executable, "-c", STAY], env=environment) as process:
        # between exec and the moment in which the kernel knows the new surroundings, /proc shows none
        environ = Path("/proc") / str(process.pid) / "environ"
        until(lambda: environ.read_bytes() != b"", "the orphan's surroundings")
        yield process
        process.kill()


@pytest.fixture
def bystander(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of another demonstration, beside it."""
    environment = {**os.environ, **mark(tmp_path / "demo2")}
    with subprocess.Popen([sys.executable, "-c", STAY], env=environment) as process:
        yield process
        process.kill()


async def test_what_a_killed_demonstration_left_is_cleared_away(
    tmp_path: Path, dead: int, orphan: subprocess.Popen[bytes], bystander: subprocess.Popen[bytes]
) -> None:
    """Its directory and its processes are gone; those of another demonstration are not touched."""
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / OWNER).write_text(f"{dead}\n")
    (directory / "policy.db").write_text("")
    assert await make_room(directory)
    assert not directory.exists()
    assert orphan.wait(60) != 0
    assert is_alive(bystander.pid)


async def test_a_directory_that_is_no_demonstration_s_is_refused(tmp_path: Path) -> None:
    """Somebody's own directory is never removed."""
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "thesis.txt").write_text("mine")
    with pytest.raises(DemoError) as refused:
        await make_room(directory)
    assert refused.value.key == "demo.exists"
    assert tree(tmp_path) == ["demo", "demo/thesis.txt"]


async def test_a_living_demonstration_is_left_alone(tmp_path: Path) -> None:
    """Its process is named, and nothing is removed."""
    directory = tmp_path / "demo"
    directory.mkdir()
    living = await asyncio.create_subprocess_exec(sys.executable, "-c", STAY, "demo")
    try:
        # between exec and the moment in which the kernel knows the new arguments, /proc shows none
        await eventually(lambda: (Path("/proc") / str(living.pid) / "cmdline").read_bytes() != b"")
        (directory / OWNER).write_text(f"{living.pid}\n")
        with pytest.raises(DemoError) as refused:
            await make_room(directory)
        assert is_alive(living.pid)
    finally:
        living.kill()
        await living.wait()
    assert (refused.value.key, refused.value.arguments["pid"]) == ("demo.running", living.pid)
    assert directory.exists()


async def test_a_number_that_another_program_has_got_since_counts_as_dead(tmp_path: Path) -> None:
    """The pid of a program that is no demonstration does not keep the directory."""
    directory = tmp_path / "demo"
    directory.mkdir()
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", STAY)
    try:
        (directory / OWNER).write_text(f"{stranger.pid}\n")
        assert await make_room(directory)
        assert is_alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_no_directory_is_no_leftover(tmp_path: Path) -> None:
    """The usual start has nothing to clear."""
    assert not await make_room(tmp_path / "demo")


def test_claiming_names_this_process(tmp_path: Path) -> None:
    """The owner's file holds our pid."""
    claim(tmp_path)
    assert (tmp_path / OWNER).read_text() == f"{os.getpid()}\n"


def test_missing_clients_are_all_named_with_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without OpenSSH's client each program is named, and nothing is made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError) as missing:
        check_installed()
    programs = [fault.arguments["program"] for fault in missing.value.faults]
    assert programs[:3] == ["ssh", "sftp", "scp"]
    done = ecluse("demo", "--once", "--directory", str(tmp_path / "demo"), language="fr", PATH=str(tmp_path))
    assert done.exit_code == 1
    assert "installez le paquet openssh-client" in done.stderr
    assert tree(tmp_path) == []


LEAVE = """
import subprocess, sys
from ecluse.demo.leftovers import device_mark, temporary_folder
name, _, value = device_mark().partition("=")
kept = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={name: value}, stdout=subprocess.DEVNULL)
print(kept.pid, temporary_folder("account"), flush=True)
"""


async def test_sessions_and_folders_of_a_dead_owner_are_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process left without its owner goes; what belongs to a living one, or to nobody known, stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = temporary_folder("account")
    foreign = tmp_path / "ecluse-account-somebody"
    elsewhere = tmp_path / f"ecluse-account-{identity().rpartition('.')[0]}.1-abc"
    for folder in (foreign, elsewhere):
        folder.mkdir()
    name, _, value = device_mark().partition("=")
    left = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LEAVE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    out, _ = await left.communicate()
    orphan_pid, theirs = out.decode().split()
    ours_too = await asyncio.create_subprocess_exec(sys.executable, "-c", STAY, env={name: value})
    try:
        assert is_alive(int(orphan_pid))
        collect()
        await eventually(lambda: not is_alive(int(orphan_pid)))
        assert is_alive(ours_too.pid)
    finally:
        ours_too.kill()
        await ours_too.wait()
    assert not Path(theirs).exists()
    assert ours.exists()
    assert foreign.exists()
    assert elsewhere.exists()


def test_a_process_is_known_for_good(dead: int) -> None:
    """Ourselves are not over; a dead pid is, and so is a living one that another process had before; else unknown."""
    pid, started, namespace = identity().split(".")
    assert not is_over(identity())
    assert is_over(f"{dead}.{started}.{namespace}")
    assert is_over(f"{pid}.{int(started) - 1}.{namespace}")
    assert not is_over(f"{dead}.{started}.1")
    assert not is_over("nonsense")


PARENT = """
import asyncio, os, sys
from pathlib import Path
from ecluse.demo.device import DemoDevice
async def main():
    device = await DemoDevice.start(Path(sys.argv[1]), "scan01")
    print(device.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_a_device_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Killed without a chance to clean up, the owner of a device takes its sshd along."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path / "scan01"), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    device = int(await asyncio.wait_for(owner.stdout.readline(), 60))
    assert is_alive(device)
    owner.kill()
    await owner.wait()
    await eventually(lambda: not is_alive(device))


def test_a_demonstration_lies_as_deep_as_one_likes(tmp_path: Path) -> None:
    """The control sockets of its clients fit a socket's 107 bytes, however long the folder's name is."""
    deep = tmp_path / "/".join(["a folder of a long name"] * 8)
    options = OpenSsh(deep, "127.0.0.1", 22, deep / "known_hosts").control("a")
    assert options[0] == "-o"
    assert len(options[1].partition("=")[2]) < 60
