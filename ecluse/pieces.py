"""Bytes that arrive from the API piece by piece, read as a file or unpacked into a folder."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import Buffer, override

from ecluse.errors import FileUnusable


def unpack(pieces: Iterator[bytes], target: Path) -> None:
    """Unpack a tar into the new folder *target*; raises FileUnusable where it cannot be written."""
    try:
        target.mkdir(mode=0o700, parents=True)
        with tarfile.open(fileobj=Pieces(pieces), mode="r|") as tar:
            tar.extractall(target, filter="data")
    except (OSError, tarfile.TarError) as broken:
        raise FileUnusable("file.unwritable", path=str(target)) from broken


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
