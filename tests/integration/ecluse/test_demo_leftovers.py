"""A demonstration makes room for itself where a killed one lies, and nowhere else."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.demo.errors import DemoError
from ecluse.demo.leftovers import OWNER, claim, make_room, mark
from ecluse.demo.openssh import check_installed
from ecluse.demo.processes import is_alive
from tests.support.installed import ecluse, tree

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
    assert not is_alive(orphan.pid)
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
    assert programs[:4] == ["ssh", "sftp", "scp", "ssh-keygen"]
    done = ecluse("demo", "--once", "--directory", str(tmp_path / "demo"), language="fr", PATH=str(tmp_path))
    assert done.exit_code == 1
    assert "installez le paquet openssh-client" in done.stderr
    assert tree(tmp_path) == []
