"""Opening files below a folder that somebody else writes into: no link of theirs is followed, no pipe waited for."""

import os
from pathlib import Path


def opened_below(root: Path, path: Path) -> int:
    """Open *path*, which is *root* or below it, for reading; return its descriptor. Links above *root* are followed.

    Raises OSError, among them ELOOP where *path* is a link, ENOTDIR where a folder on the way is one.
    """
    folder = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    at = os.open(root, folder)
    try:
        *folders, last = path.relative_to(root).parts or (".",)
        for name in folders:
            deeper = os.open(name, folder | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
