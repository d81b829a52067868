"""Where a process says that it is ready, and on which port: one small file a program in the run directory.

While one gateway hands over to another both live; each has a berth, a lock that dies with its process.
"""

import errno
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from recorder.regular import regular

log = structlog.get_logger()

_LONGEST: Final = 4096
"""Bytes of an announcement, or of a claim in a berth."""
_NO_FILE: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})


@contextmanager
def announced(directory: Path, program: str, port: int, *, watched: int | None = None) -> Iterator[None]:
    """Keep ``<program>.json`` (pid, port, watched) in *directory* while the block runs; whole or not at all.

    Not at all where something of another user's is in its place: the log says so.

    *watched* is the port of its health and metrics, None where it has none.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{program}.json"
    # a name that nobody knows before: two users write in this folder, and a link of the other's would be written through
    draft = path.with_suffix(f".{secrets.token_hex(8)}")
    with draft.open("x") as file:
        # no secret; where the programs have users of their own, each may ask after the other
        os.fchmod(file.fileno(), 0o640)
        file.write(json.dumps({"pid": os.getpid(), "port": port, "watched": watched}))
    try:
        draft.replace(path)
    except OSError as error:  # the other program's user put something there: that keeps nobody from serving
        draft.unlink()
        log.warning("presence.not_announced", place=str(path), error=error.strerror)
    try:
        yield
    finally:
        if pid_of(directory, program) == os.getpid():  # else a successor says so of itself
            path.unlink(missing_ok=True)


class Berth:
    """A number that one living process holds: a locked file, in which it notes the name's claim for whoever comes next."""

    def __init__(self, number: int, descriptor: int) -> None:
        """Hold *number* by the lock on *descriptor*."""
        self.number = number
        self._descriptor = descriptor

    @property
    def left(self) -> str | None:
        """The claim that the berth's last holder noted, who is gone, for the lock went with it; None where none did.

        A copy of the file tells nothing: who noted something in the original may well live.
        """
        try:
            said = json.loads(os.pread(self._descriptor, _LONGEST, 0))
            return str(said["claim"]) if said["place"] == self._place else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, claim: str) -> None:
        """Leave *claim* to whoever holds the berth next. Raises OSError."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"claim": claim, "place": self._place}).encode(), 0)

    @property
    def _place(self) -> list[int]:
        found = os.fstat(self._descriptor)
        return [found.st_dev, found.st_ino]


@contextmanager
def berth(directory: Path, program: str) -> Iterator[Berth]:
    """Hold the lowest number, from 1, that no other living process of *program* in *directory* holds.

    Two users write in that folder: a number where something is that this one did not put there is left out.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        descriptor = _own_file(directory / f"{program}.{number}.lock")
        if descriptor is None:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield Berth(number, descriptor)
        finally:
            os.close(descriptor)
        return


def _own_file(path: Path) -> int | None:
    """Open the file at *path*, made where it is missing; None for a link, no file, or what is another user's. Raises OSError."""
    try:
        descriptor = os.open(
            path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
        )
    except OSError as error:
        if error.errno in _NO_FILE or (error.errno == errno.EACCES and _is_anothers(path)):
            return None
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    return None


def _is_anothers(path: Path) -> bool:
    try:
        return path.lstat().st_uid != os.geteuid()
    except OSError:  # it is the folder that is closed
        return False


def pid_of(directory: Path, program: str) -> int | None:
    """Return the process that announced itself as *program* in *directory*, whether it lives or not; None without one."""
    try:
        return int(_said(directory, program)["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def port_of(directory: Path, program: str, kind: str = "port") -> int | None:
    """Return the port that *program* announced in *directory*, or None while no living process has.

    *kind* ``watched`` asks for the one of its health and metrics.
    """
    try:
        said = _said(directory, program)
        # a process killed with SIGKILL leaves its announcement behind
        with suppress(PermissionError):  # it lives, and is another user's
            os.kill(int(said["pid"]), 0)
        return int(said[kind])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _said(directory: Path, program: str) -> Any:
    """Return what *program* announced; raises OSError, ValueError. A pipe of the other user's there is not waited at."""
    with regular(directory / f"{program}.json", os.O_NOFOLLOW) as file:
        return json.loads(file.read(_LONGEST))
