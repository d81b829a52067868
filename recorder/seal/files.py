"""Files of keys: read only where nobody else can, and never written over."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_private(path: Path) -> bytes:
    """The content of a file that nobody but its owner can read.

    Raises:
        OSError: It cannot be read.
        ValueError: It is open to others; the message says what to run.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ValueError(f"{path} is open to others (mode {mode:04o}); run: chmod 600 {path}")
        return file.read()


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Make a file that was not there, forced to the platter.

    Raises:
        OSError: One is there already, or the place cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
