"""Stock sftp, scp and rsync through the taps, to OpenSSH's own server, without a network."""

import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.integration


@dataclass
class Ran:
    """How a client ended, and what the taps noted."""

    status: int
    errors: str
    operations: list[dict[str, Any]]

    def done(self, op: str) -> list[dict[str, Any]]:
        """Give the finished operations named *op*."""
        return [each for each in self.operations if each["op"] == op and each["phase"] == "done"]


class Clients:
    """Runs stock clients whose ``ssh`` is the tapped stand-in."""

    def __init__(self, folder: Path) -> None:
        """Keep the stand-in and its log in *folder*."""
        self._folder = folder
        self.shell = folder / "ssh"
        self.shell.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.support.remote_shell "$@"\n')
        self.shell.chmod(0o755)

    def run(self, *command: str, granted: str = "sftp-up,sftp-down", stdin: str = "") -> Ran:
        """Run *command* under the channels *granted*."""
        log = self._folder / "operations"
        log.write_bytes(b"")
        environment = os.environ | {"GRANTED": granted, "OPERATIONS": str(log), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        lines = log.read_text().splitlines()
        return Ran(done.returncode, done.stderr, [json.loads(line) for line in lines if line[0] == "{"])


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    """Give the clients."""
    return Clients(tmp_path)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Give a file of 3 MiB and a few bytes that no compressor or guess can make."""
    path = tmp_path / "big"
    path.write_bytes(random.Random(7).randbytes((3 << 20) + 17))
    return path


def sha256(path: Path) -> str:
    """Hash a file as sha256sum does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_sftp_put_and_get_carry_the_hash_of_the_file(clients: Clients, big: Path, tmp_path: Path) -> None:
    """What sftp(1) puts and gets arrives whole, and is noted with sha256sum's digest."""
    there, back = tmp_path / "there", tmp_path / "back"
    ran = clients.run(
        "sftp", "-b", "-", "-S", str(clients.shell), "host", stdin=f"put {big} {there}\nget {there} {back}\n"
    )
    assert ran.status == 0, ran.errors
    assert sha256(back) == sha256(big)
    (put,), (got,) = ran.done("upload"), ran.done("download")
    assert (put["sha256"], put["size"], put["result"]) == (sha256(big), big.stat().st_size, "ok")
    assert (got["sha256"], got["size"], got["result"]) == (sha256(big), big.stat().st_size, "ok")
    assert "flags" not in put
    assert "flags" not in got


@pytest.mark.parametrize("mode", [[], ["-O"]], ids=["sftp", "legacy"])
def test_scp_both_ways_in_both_modes_carries_the_hash(
    clients: Clients, big: Path, tmp_path: Path, mode: list[str]
) -> None:
    """scp(1) copies both ways in both its modes, and each file is noted with sha256sum's digest."""
    there, back = tmp_path / "there", tmp_path / "back"
    up = clients.run("scp", *mode, "-S", str(clients.shell), str(big), f"host:{there}")
    down = clients.run("scp", *mode, "-S", str(clients.shell), f"host:{there}", str(back))
    assert (up.status, down.status) == (0, 0), up.errors + down.errors
    assert sha256(back) == sha256(big)
    (put,), (got,) = up.done("upload"), down.done("download")
    assert (put["sha256"], put["result"], put.get("flags")) == (sha256(big), "ok", None)
    assert (got["sha256"], got["result"], got.get("flags")) == (sha256(big), "ok", None)


@pytest.mark.parametrize("mode", [[], ["-O"]], ids=["sftp", "legacy"])
def test_scp_of_a_tree_notes_each_file(clients: Clients, tmp_path: Path, mode: list[str]) -> None:
    """A recursive copy with times notes each file, empty ones too, under its folder."""
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "empty").write_bytes(b"")
    (tree / "inner" / "é b").write_bytes(b"hello")
    ran = clients.run("scp", *mode, "-rp", "-S", str(clients.shell), str(tree), f"host:{tmp_path}/copy")
    assert ran.status == 0, ran.errors
    assert (tmp_path / "copy" / "inner" / "é b").read_bytes() == b"hello"
    hashes = {Path(each["path"]).name: each["sha256"] for each in ran.done("upload")}
    assert hashes == {"empty": hashlib.sha256().hexdigest(), "é b": hashlib.sha256(b"hello").hexdigest()}


def test_legacy_scp_notes_a_failure_of_the_device(clients: Clients, big: Path, tmp_path: Path) -> None:
    """A file that the device refuses is noted as failed, with no content."""
    ran = clients.run("scp", "-O", "-S", str(clients.shell), str(big), f"host:{tmp_path}/no/such/place")
    assert ran.status != 0
    (put,) = ran.done("upload")
    assert (put["result"], put["size"]) == ("failure", 0)


def test_an_upload_without_the_right_creates_nothing(clients: Clients, big: Path, tmp_path: Path) -> None:
    """Under a grant to fetch only, sftp, scp and scp -O cannot create, truncate, rename or remove a file."""
    kept, made = tmp_path / "kept", tmp_path / "made"
    kept.write_bytes(b"precious")
    batch = f"-put {big} {made}\n-put {big} {kept}\n-rename {kept} {made}\n-rm {kept}\n-mkdir {made}\n-chmod 777 {kept}\n"
    batch += f"-ln {kept} {made}\n-symlink {kept} {made}\n"
    ran = clients.run("sftp", "-b", "-", "-S", str(clients.shell), "host", granted="sftp-down", stdin=batch)
    refused = [each["op"] for each in ran.operations if each["phase"] == "refused"]
    assert refused == ["open", "open", "rename", "remove", "mkdir", "setstat", "hardlink", "symlink"]
    for mode in ([], ["-O"]):
        copied = clients.run(
            "scp", *mode, "-S", str(clients.shell), str(big), f"host:{made}", granted="sftp-down"
        )
        assert copied.status != 0
    assert kept.read_bytes() == b"precious"
    assert not made.exists()


def test_a_download_without_the_right_gives_nothing(clients: Clients, big: Path, tmp_path: Path) -> None:
    """Under a grant to send only, a listing works and no content comes back by any client."""
    out = tmp_path / "out"
    batch = f"ls -l {tmp_path}\n-get {big} {out}\n"
    ran = clients.run("sftp", "-b", "-", "-S", str(clients.shell), "host", granted="sftp-up", stdin=batch)
    assert [each["op"] for each in ran.operations if each["phase"] == "refused"] == ["open"]
    for mode in ([], ["-O"]):
        clients.run("scp", *mode, "-S", str(clients.shell), f"host:{big}", str(out), granted="sftp-up")
    assert not out.exists() or not out.read_bytes()


def test_rsync_goes_the_way_it_was_granted(clients: Clients, tmp_path: Path) -> None:
    """Rsync copies a tree in the direction granted, and is refused in the other."""
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    tree.mkdir()
    (tree / "one").write_bytes(b"1" * 100_000)
    up = clients.run(
        "rsync", "-avz", "--delete", "-e", str(clients.shell), f"{tree}/", f"host:{copy}/", granted="sftp-up"
    )
    assert up.status == 0, up.errors
    assert (copy / "one").read_bytes() == (tree / "one").read_bytes()
    down = clients.run(
        "rsync", "-ai", "-e", str(clients.shell), f"host:{copy}/", f"{tmp_path}/b/", granted="sftp-down"
    )
    assert down.status == 0, down.errors
    wrong = clients.run(
        "rsync", "-a", "-e", str(clients.shell), f"host:{copy}/", f"{tmp_path}/c/", granted="sftp-up"
    )
    assert wrong.status != 0
    assert "refused.sftp-down" in wrong.errors
