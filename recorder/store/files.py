"""Files of a folder of traces: written whole, grown, held against their digests."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recorder.errors import StoreForbidden, StoreFull, StoreUnavailable, StoreUnreachable
from recorder.regular import regular
from recorder.trace.manifest import StoredFile
from recorder.trace.place import tail_offset

LIVE_MODE = 0o640
FOLDER_MODE = 0o750
SHARED_MODE = 0o2770
"""Of folders below one that has the setgid bit: gateway and console are two users, and the console's removes what is due."""
_CHUNK = 256 << 10


@contextmanager
def told(root: Path) -> Iterator[None]:
    """Say what the disk refuses in the store's words."""
    try:
        yield
    except OSError as error:
        kinds: dict[int | None, type[StoreUnavailable]] = {
            errno.ENOSPC: StoreFull,
            errno.EDQUOT: StoreFull,
            errno.EACCES: StoreForbidden,
            errno.EPERM: StoreForbidden,
            errno.EROFS: StoreForbidden,
            errno.ELOOP: StoreForbidden,
        }
        kind = kinds.get(error.errno, StoreUnreachable)
        raise kind(f"the trace store {root} cannot be used: {error.strerror or error}") from error


def fill(growing: Path, segment: StoredFile, source: Path, start: int) -> bool:
    """Whether the growing file, brought to the segment's size, has its bytes; where not, it is gone, to be made anew."""
    with writing(growing) as file:
        have = min(os.fstat(file.fileno()).st_size, segment["bytes"])
        file.seek(have)
        copy(source, start + have, segment["bytes"] - have, file)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    same = digest(growing) == segment["sha256"]
    if not same:  # a power cut may have left what was never there
        growing.unlink()
    return same


def tails(folder: Path) -> list[int]:
    """Where in the trace the files of a folder of what grows begin."""
    if not folder.is_dir():
        return []
    found = (tail_offset(path.name) for path in folder.iterdir())
    return [start for start in found if start is not None]


def size(path: Path) -> int:
    """Bytes of a file; none where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def piece(path: Path, offset: int, limit: int) -> bytes:
    """Some bytes of a file; none where there is none."""
    try:
        with regular(path, os.O_NOFOLLOW) as file:
            file.seek(offset)
            return file.read(limit)
    except FileNotFoundError:
        return b""


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write in, made where there is none, and never cut by being opened; a link is not followed.

    Gateway and console share these folders: a link put there by one would have the other write into its own files.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, LIVE_MODE)
    with os.fdopen(descriptor, "r+b") as file:
        found = os.fstat(descriptor)
        if not found.st_size and found.st_uid == os.geteuid():
            os.fchmod(descriptor, LIVE_MODE)  # who reads as another user does not go by this one's umask
        yield file


def make_folders(path: Path) -> None:
    """Make a folder, and those above it that are missing; in one that is shared with its group, shared alike."""
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folders(path.parent)
        make_folders(path)
        return
    if path.parent.stat().st_mode & stat.S_ISGID:
        set_mode(path, SHARED_MODE)


def set_mode(path: Path, mode: int) -> None:
    """Give a file or folder of this process's user its mode; what a link leads to, put in its place meanwhile, keeps its own."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def copy(source: Path, offset: int, size: int, target: BinaryIO) -> None:
    """Copy some bytes of a file to where another one stands; inside the kernel where it can, at a fifth of the cost."""
    target.flush()
    at = target.tell()
    with source.open("rb", buffering=0) as file:
        try:
            while size > 0 and (
                count := os.copy_file_range(file.fileno(), target.fileno(), size, offset, at)
            ):
                offset, at, size = offset + count, at + count, size - count
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                raise
        target.seek(at)
        file.seek(offset)
        while size > 0 and (chunk := file.read(min(size, _CHUNK))):
            target.write(chunk)
            size -= len(chunk)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with regular(path, os.O_NOFOLLOW) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that a crash leaves nothing or all of it, and force it to the platter."""
    # of this process's own: what another user's left behind when it was killed cannot be written
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(temporary) as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    set_mode(path, mode)
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file, or a folder's entries, to the platter."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
