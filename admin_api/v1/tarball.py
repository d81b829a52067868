"""A folder as a tar (POSIX.1-2001 pax), made as it is sent: nothing is held in memory or written to disk."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

_PIECE = 256 * 1024


def pack(folder: Path) -> Iterator[bytes]:
    """Yield the tar of the plain files in and below *folder*, hidden ones apart, by name, without owners or times.

    A file that shrinks meanwhile is filled up with zeros, one that grows is cut: its header was sent already.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.name.startswith("."):
            continue
        with path.open("rb") as stream:
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            left = entry.size = path.stat().st_size
            yield entry.tobuf(tarfile.PAX_FORMAT)
            while left > 0:
                piece = stream.read(min(_PIECE, left)) or bytes(min(_PIECE, left))
                left -= len(piece)
                yield piece
        yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
