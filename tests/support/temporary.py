"""Where tests write: in memory where there is room, for what they write is gone in a moment, and a disk takes its time."""

import os
import tempfile
from pathlib import Path
from typing import Final

_SHARED_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 << 30


def in_memory() -> Path | None:
    """Return the folder of files that are kept in memory; None where there is little room or no program may be run."""
    try:
        found = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC
    return _SHARED_MEMORY if roomy and os.access(_SHARED_MEMORY, os.W_OK) else None


def write_in_memory() -> None:
    """Let all temporary files of this process and of those it starts be in memory, unless TMPDIR says where they go."""
    place = in_memory()
    if place is not None and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(place)
        tempfile.tempdir = None  # which is found once, from then on
