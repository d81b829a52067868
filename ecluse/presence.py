"""Where a process says that it is ready, and on which port: one small file a program in the run directory.

While one gateway hands over to another both live; each has a berth, a lock that dies with its process.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def announced(directory: Path, program: str, port: int, *, watched: int | None = None) -> Iterator[None]:
    """Keep ``<program>.json`` (pid, port, watched) in *directory* while the block runs; whole or not at all.

    *watched* is the port of its health and metrics, None where it has none.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{program}.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port, "watched": watched}))
    draft.chmod(0o640)  # no secret; where the programs have users of their own, each may ask after the other
    draft.replace(path)
    try:
        yield
    finally:
        if pid_of(directory, program) == os.getpid():  # else a successor says so of itself
            path.unlink(missing_ok=True)


@contextmanager
def berth(directory: Path, program: str) -> Iterator[int]:
    """Hold the lowest number, from 1, that no other living process of *program* in *directory* holds."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        descriptor = os.open(
            directory / f"{program}.{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield number
        finally:
            os.close(descriptor)
        return


def pid_of(directory: Path, program: str) -> int | None:
    """Return the process that announced itself as *program* in *directory*, whether it lives or not; None without one."""
    try:
        return int(json.loads((directory / f"{program}.json").read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def port_of(directory: Path, program: str, kind: str = "port") -> int | None:
    """Return the port that *program* announced in *directory*, or None while no living process has.

    *kind* ``watched`` asks for the one of its health and metrics.
    """
    try:
        said = json.loads((directory / f"{program}.json").read_text())
        # a process killed with SIGKILL leaves its announcement behind
        with suppress(PermissionError):  # it lives, and is another user's
            os.kill(int(said["pid"]), 0)
        return int(said[kind])
    except (OSError, ValueError, KeyError, TypeError):
        return None
