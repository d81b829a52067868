"""Bytes that arrive from the API piece by piece, read as a file or unpacked into a folder."""

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from typing_extensions import Buffer, override

from ecluse.errors import FileUnusable


def watched(pieces: Iterator[bytes], saying: str, expected: int | None = None) -> Iterator[bytes]:
    """Give *pieces* on, and show on standard error, where a person looks at it, how many bytes came, of about *expected*."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn

    from ecluse.progress import progress

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with progress(*columns) as bars:
        task = bars.add_task(saying, total=expected)
        for piece in pieces:
            bars.advance(task, len(piece))
            yield piece


def unpack(pieces: Iterator[bytes], target: Path) -> None:
    """Unpack a tar into the new folder *target*; raises FileUnusable where it cannot be written."""
    try:
        target.mkdir(mode=0o700, parents=True)
        with tarfile.open(fileobj=Pieces(pieces), mode="r|") as tar:
            for entry in tar:
                _write(tar, entry, target)
    except (OSError, tarfile.TarError) as broken:
        raise FileUnusable("file.unwritable", path=str(target)) from broken


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    # by hand: the filters of tarfile came with 3.11.4, and Debian 12 has 3.11.2
    name = PurePosixPath(entry.name)
    if not entry.isfile() or name.is_absolute() or ".." in name.parts:
        raise tarfile.TarError(f"{entry.name} is no plain file below the folder")
    place = target / name
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = tar.extractfile(entry)
    if content is None:
        raise tarfile.TarError(f"{entry.name} has no content")
    with content, place.open("xb") as file:
        shutil.copyfileobj(content, file)


class Pieces(io.RawIOBase):
    """Pieces that arrive, as a file to read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        room = memoryview(buffer).cast("B")
        size = min(len(room), len(self._rest))
        room[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
