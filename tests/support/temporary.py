"""Where tests write: in memory where there is room, for what they write is gone in a moment, and a disk takes its time."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

SHARED_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 << 30
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


def in_memory() -> Path | None:
    """Return the folder of files that are kept in memory; None where there is little room or no program may be run."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    roomy = min(found.f_bavail * found.f_frsize, _memory()) >= _ROOM and not found.f_flag & os.ST_NOEXEC
    return SHARED_MEMORY if roomy and os.access(SHARED_MEMORY, os.W_OK) else None


def _memory() -> int:
    """Return a quarter of the bytes that processes may take here: a container is given less than the machine has."""
    bounds = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError, ValueError):  # no container, or none with a limit
        bounds.append(int(_LIMIT.read_text()))
    return min(bounds) // 4


def write_in_memory() -> None:
    """Let all temporary files of this process and of those it starts be in memory, unless TMPDIR says where they go."""
    place = in_memory()
    if place is not None and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(place)
        tempfile.tempdir = None  # which is found once, from then on
