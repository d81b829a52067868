"""How one trace of the spool is cut into segments, and which of its parts the store has.

Two files beside the trace, which only this program reads: ``segments.list`` is what was cut, on the platter before
anything is shipped under its name; ``shipped.list`` is what the store has. A crash between the two costs a copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from recorder.trace.frames import canonical
from recorder.trace.manifest import StoredFile, segment_name
from recorder.trace.place import SEGMENT_BYTES, TRACE

CUT = "segments.list"
SHIPPED = "shipped.list"
_CHUNK = 256 << 10


class Segments:
    """The cuts of one trace. Methods block; threads may call them side by side.

    Args:
        directory: The trace's folder in the spool; what an earlier process wrote there is taken up.
        size: Bytes of the trace that are whole; what was cut beyond them is forgotten, for a disk lost it.
        fresh: Whether the trace was made just now, so that there is nothing to read.

    Attributes:
        cut: The segments so far.
        end: Where in the trace the last of them ends.
    """

    def __init__(self, directory: Path, size: int | None = None, *, fresh: bool = False) -> None:
        self.directory = directory
        self.cut: tuple[StoredFile, ...] = ()
        self.end = 0
        self._guard = threading.Lock()
        self._shipped: set[str] = set()
        if fresh:
            return
        for line in _lines(directory / CUT):
            segment = cast(StoredFile, json.loads(line))
            if size is not None and self.end + segment["bytes"] > size:
                break
            self._add(segment)
        self._shipped = set(_lines(directory / SHIPPED))

    def cut_at(self, borders: Iterable[int]) -> None:
        """Cut at each border, in rising order, that lies after the last cut; the trace is synced up to there.

        Raises:
            OSError: The disk refuses.
        """
        with self._guard:
            for border in borders:
                if border <= self.end:
                    continue
                name = segment_name(len(self.cut) + 1)
                digest = _digest(self.directory / TRACE, self.end, border)
                segment: StoredFile = {"name": name, "bytes": border - self.end, "sha256": digest}
                _note(self.directory / CUT, canonical(segment).decode())
                self._add(segment)

    def has_shipped(self, name: str) -> bool:
        """Whether the store has the file of this name."""
        return name in self._shipped

    def shipped(self, name: str) -> None:
        """Note that the store has it; where the disk takes no note, a crash will cost a copy."""
        if name not in self._shipped:
            self._shipped.add(name)
            try:
                _note(self.directory / SHIPPED, name)
            except OSError:
                return  # a full disk must not keep from the store what would empty it

    def _add(self, segment: StoredFile) -> None:
        self.cut += (segment,)
        self.end += segment["bytes"]


class Borders:
    """Where records end, so that no segment has more than `SEGMENT_BYTES` unless a single record has.

    Args:
        start: Where the segment under way begins.

    Attributes:
        found: Borders to cut at, rising. Only ever appended to: another thread may read it.
    """

    def __init__(self, start: int) -> None:
        self.found: list[int] = []
        self._start = start

    def record(self, begin: int, size: int) -> None:
        """Tell that a record of this size begins here."""
        if begin > self._start and begin + size - self._start > SEGMENT_BYTES:
            self.found.append(begin)
            self._start = begin


def _digest(path: Path, start: int, end: int) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = end - start
        while left > 0:
            count = file.readinto(buffer[: min(left, _CHUNK)])
            if not count:
                raise OSError(f"{path} ends before byte {end}")
            digest.update(buffer[:count])
            left -= count
    return digest.hexdigest()


def _lines(path: Path) -> list[str]:
    """The whole lines of a file; what a crash left of one is no line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()


def _note(path: Path, line: str) -> None:
    """Append a line, and force it to the platter; what a crash left of another is overwritten."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        whole = file.read()
        file.seek(whole.rfind(b"\n") + 1)
        file.truncate()
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
