"""The two demonstrations as a person runs them: unattended to its end, and in the foreground until Ctrl-C."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.stranger import PROGRAM
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SECONDS = 240.0


async def demo(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start ``ecluse demo`` with all that it makes in *folder*, as the leader of a group of its own."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM, "demo", "--directory", str(folder), *arguments,
        env={**os.environ, "HOME": str(folder.parent)}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def still_running(folder: Path) -> list[str]:
    """Return the command lines of processes that name *folder* in their arguments, surroundings or directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            seen = command + (entry / "environ").read_bytes()
            where = str((entry / "cwd").readlink()).encode()
        except OSError:
            continue
        if str(folder).encode() in seen + where:
            found.append(command.decode("utf-8", "replace").replace("\0", " "))
    return found


async def test_the_unattended_demonstration_holds(tmp_path: Path) -> None:
    """``ecluse demo --once`` shows each step, exits 0 as all of it held, and leaves nothing behind."""
    folder = tmp_path / "demo"
    process = await demo(folder, "--once")
    out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, out.decode()
    assert out.decode().count("✓ ") == 20
    assert not folder.exists()
    assert still_running(folder) == []


@pytest.mark.parametrize("early", [False, True], ids=["ready", "building"])
async def test_ctrl_c_leaves_no_process_and_no_folder(tmp_path: Path, *, early: bool) -> None:
    """Interrupted once it is ready, or in the midst of its making, the demonstration ends and cleans up whole."""
    folder = tmp_path / "demo"
    process = await demo(folder)
    assert process.stdout is not None
    if early:
        await eventually((folder / "devices").exists, SECONDS)
    else:
        await eventually((folder / "demo.json").exists, SECONDS)
        said = await asyncio.wait_for(process.stdout.readuntil(b"demo.json\n"), SECONDS)
        assert b"alice+scan01@127.0.0.1" in said
        assert f"--output {folder}/evidence.zip\n".encode() in said, "what it has made is removed too"
        assert b"token.json" in said, "and what stays is told"
        assert {"ssh", "api", "people", "devices", "data_dir"} == set(
            json.loads((folder / "demo.json").read_text())
        )
        assert still_running(folder)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert b"Traceback" not in rest
    assert not folder.exists()
    assert still_running(folder) == []
