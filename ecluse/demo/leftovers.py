"""What a demonstration leaves behind where it was killed, and how the next one clears it away.

A demonstration writes its pid into its directory, and its processes carry the directory's name in their environment:
what belongs to a dead one is told by both, and nothing else is ever touched. What lies elsewhere, the sessions of a
device and temporary folders, carries the name of the process that made it.
"""

import asyncio
import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ecluse.demo.errors import DemoError
from ecluse.demo.processes import carrying, environments, identity, is_alive, is_over, send

OWNER = "demo.pid"
MARK = "ECLUSE_DEMO"
DEVICE_MARK = "ECLUSE_DEMO_DEVICE"
_OF_A_DEVICE = re.compile(rb"%b=([0-9.]+)-[0-9a-f]+" % DEVICE_MARK.encode())
_FOLDER = re.compile(r"ecluse-[a-z]+-([0-9.]+)-.+")
PATIENCE_SECONDS = 25.0
POLL_SECONDS = 0.05


def claim(directory: Path) -> None:
    """Say in *directory* that this process demonstrates there."""
    (directory / OWNER).write_text(f"{os.getpid()}\n", encoding="ascii")


def mark(directory: Path) -> Mapping[str, str]:
    """Return the environment entry of the processes that belong to the demonstration in *directory*."""
    return {MARK: str(directory.resolve())}


def device_mark() -> str:
    """Return an environment entry that no other device has, for the sessions of one that this process runs."""
    return f"{DEVICE_MARK}={identity()}-{secrets.token_hex(12)}"


def temporary_folder(what: str, at: Path | None = None) -> Path:
    """Make a folder of this process, mode 0700; *what* is a word of lower-case letters.

    It is among the temporary files, or *at* another place that others write to.
    """
    return Path(tempfile.mkdtemp(prefix=f"ecluse-{what}-{identity()}-", dir=at))


def collect(*further: Path) -> None:
    """Kill the session processes of devices whose owner has ended without them, and remove such owners' folders.

    Only what this user may touch, and only of processes that are known to be over; folders among the temporary
    files and at *further* places.
    """
    abandoned = set()
    for pid, entries in environments().items():
        marks = (_OF_A_DEVICE.fullmatch(entry) for entry in entries)
        if any(found is not None and is_over(found[1].decode()) for found in marks):
            abandoned.add(pid)
    send(abandoned, signal.SIGKILL)
    for place in (Path(tempfile.gettempdir()), *further):
        for folder in place.iterdir():
            named = _FOLDER.fullmatch(folder.name)
            if named is not None and is_over(named[1]):
                shutil.rmtree(folder, ignore_errors=True)


async def make_room(directory: Path) -> bool:
    """Clear away what a dead demonstration left in *directory*; tell whether there was anything.

    Raises DemoError where a living one is there, or the directory is no demonstration's.
    """
    if not directory.exists():
        return False
    owner = _owner(directory)
    if owner is None:
        raise DemoError("demo.exists", folder=str(directory))
    if _demonstrates(owner):
        raise DemoError("demo.running", folder=str(directory), pid=owner)
    await _end(directory)
    await asyncio.to_thread(shutil.rmtree, directory)
    return True


def _owner(directory: Path) -> int | None:
    try:
        return int((directory / OWNER).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _demonstrates(pid: int) -> bool:
    """Tell whether *pid* is a living demonstration, and not another program that has got its number since."""
    try:
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return is_alive(pid) and b"demo" in command


async def _end(directory: Path) -> None:
    entry = f"{MARK}={directory.resolve()}"
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGKILL):
        await asyncio.to_thread(send, await asyncio.to_thread(carrying, entry), number)
        deadline = loop.time() + PATIENCE_SECONDS
        while await asyncio.to_thread(carrying, entry):
            if loop.time() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        else:
            return
