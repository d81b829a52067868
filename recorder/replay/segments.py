"""The segments of a trace, read as the one file that they are together."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from typing_extensions import Buffer, override

from recorder.errors import TraceNotFound
from recorder.regular import regular
from recorder.trace.manifest import StoredFile, segment_name
from recorder.trace.place import TRACE

if TYPE_CHECKING:
    from hashlib import _Hash

_BUFFER = 256 << 10


class SegmentedFile(io.RawIOBase):
    """A folder's ``trace-000001.ecl``, ``trace-000002.ecl`` and so on, one after another, up to the first that is missing.

    Args:
        folder: Where they lie.

    Attributes:
        read_whole: Name, size and digest of each that was read to its end, in order.

    Raises:
        TraceNotFound: There is no first one.
    """

    def __init__(self, folder: Path) -> None:
        self.read_whole: list[StoredFile] = []
        self._folder = folder
        self._file: io.FileIO | None = _opened(folder / segment_name(1))
        self._digest: _Hash = hashlib.sha256()
        self._size = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        while self._file is not None:
            count = self._file.readinto(view)
            if count:
                self._digest.update(view[:count])
                self._size += count
                return count
            self._next()
        return 0

    @override
    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def _next(self) -> None:
        if self._file is not None:
            self._file.close()
        name = segment_name(len(self.read_whole) + 1)
        self.read_whole.append({"name": name, "bytes": self._size, "sha256": self._digest.hexdigest()})
        self._digest, self._size = hashlib.sha256(), 0
        following = self._folder / segment_name(len(self.read_whole) + 1)
        self._file = _opened(following) if following.exists() else None


def open_trace(path: Path) -> tuple[BinaryIO, SegmentedFile | None]:
    """A trace as one file: of a folder its ``trace.ecl``, else its segments; or the file itself.

    Raises:
        TraceNotFound: It cannot be opened.
    """
    if not path.is_dir():
        return io.BufferedReader(_opened(path), _BUFFER), None
    if (path / TRACE).exists():
        return io.BufferedReader(_opened(path / TRACE), _BUFFER), None
    segments = SegmentedFile(path)
    return io.BufferedReader(segments, _BUFFER), segments


def _opened(path: Path) -> io.FileIO:
    try:
        return regular(path)
    except OSError as error:
        raise TraceNotFound(f"file {path} cannot be read: {error.strerror}") from error
