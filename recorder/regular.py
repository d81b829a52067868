"""Files that lie where others write too: what is no file is not opened, for who reads a pipe waits for ever."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path


def regular(path: Path, flags: int = 0) -> io.FileIO:
    """Open the file at *path* to be read, without a buffer.

    Args:
        path: Where it lies.
        flags: More of those of ``os.open``, such as ``os.O_NOFOLLOW``.

    Raises:
        OSError: There is none, or something else than a file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
