"""What the flow broker may open at all: the files that ``ecluse flows export`` printed and root put there."""

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ecluse.flows.request import Place, Refused, place

LONGEST_FILE: Final = 8 << 20
_Stamp = tuple[int, int, int, int]


class Register:
    """The registered devices' addresses and ports, read anew whenever a file has changed.

    The gateway cannot add to it: each file must belong to root, or to who runs the broker, and be writable by nobody
    else. One that is missing, or wrong anywhere, refuses everything: half a list is no list.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Hold to what stands in *paths*."""
        self._paths = tuple(paths)
        self._stamps: tuple[_Stamp, ...] | None = None
        self._places: frozenset[Place] = frozenset()

    def check(self, wanted: Place) -> None:
        """Raise Refused unless *wanted* is registered: ``unregistered``, or ``register`` where the files don't serve."""
        try:
            stamps = tuple(_stamp(path.lstat()) for path in self._paths)
            if stamps != self._stamps:
                found: set[Place] = set()
                for path in self._paths:
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


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _places(path: Path) -> set[Place]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_FILE:
            raise ValueError(f"{path} is no file of at most {LONGEST_FILE} bytes")
        if found.st_uid not in {0, os.geteuid()} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
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
