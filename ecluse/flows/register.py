"""What the flow broker may open at all: the files that ``ecluse flows export`` printed and root put there, one a hospital."""

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ecluse.flows.request import Place, Refused, place

LONGEST_FILE: Final = 8 << 20
_Stamp = tuple[Path, int, int, int, int]


class Register:
    """The registered devices' addresses and ports, read anew whenever a file has changed.

    The gateway cannot add to it: each file, and a folder of them, must belong to root, or to who runs the broker, and be
    writable by nobody else. One that is missing, or wrong anywhere, refuses everything: half a list is no list.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Hold to what stands in *paths*; of a folder, in each file of it whose name ends in ``.json``."""
        self._paths = tuple(paths)
        self._stamps: tuple[_Stamp, ...] | None = None
        self._places: frozenset[Place] = frozenset()

    def check(self, wanted: Place) -> None:
        """Raise Refused unless *wanted* is registered: ``unregistered``, or ``register`` where the files don't serve."""
        try:
            files = [file for path in self._paths for file in _files(path)]
            stamps = tuple(_stamp(path) for path in files)
            if stamps != self._stamps:
                found: set[Place] = set()
                for path in files:
                    found |= _places(path)
                self._places, self._stamps = frozenset(found), stamps
        except OSError as error:
            self._stamps = None
            raise Refused("register", f"{error.filename}: {error.strerror}") from error
        except ValueError as error:
            self._stamps = None
            raise Refused("register", str(error)) from error
        if wanted not in self._places:
            raise Refused("unregistered", wanted.shown)


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    if _others_write(path.stat()):
        raise ValueError(
            f"{path} must belong to root, and nobody else may write there (chown root, chmod 755)"
        )
    found = sorted(path.glob("*.json"))
    if not found:
        raise ValueError(f"{path} holds no file that 'ecluse flows export --json' printed (flows.json)")
    return found


def _others_write(found: os.stat_result) -> bool:
    return found.st_uid not in {0, os.geteuid()} or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _stamp(path: Path) -> _Stamp:
    found = path.lstat()
    return path, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _places(path: Path) -> set[Place]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_FILE:
            raise ValueError(f"{path} is no file of at most {LONGEST_FILE} bytes")
        if _others_write(found):
            raise ValueError(
                f"{path} must belong to root, and nobody else may write it (chown root, chmod 644)"
            )
        content = file.read(LONGEST_FILE + 1)
    try:
        document = json.loads(content)
        flows = document["flows"]
        return {place(flow["address"], flow["port"]) for flow in flows}
    except (ValueError, TypeError, KeyError, RecursionError, Refused) as error:
        raise ValueError(f"{path} is not what 'ecluse flows export --json' prints: {error!r}") from error
