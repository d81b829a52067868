"""The compressors that all traces of a process share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import zstandard

ZSTD_LEVEL = 1


class Compressors:
    """Compressors at rest, the last used first: records are independent, so any of them serves any trace.

    Each holds a megabyte once it has met a large record. Threads take turns, and there are far more of them than
    compress at once.
    """

    def __init__(self) -> None:
        self._resting: list[zstandard.ZstdCompressor] = []

    @contextmanager
    def one(self) -> Iterator[zstandard.ZstdCompressor]:
        """One that nobody else uses meanwhile."""
        try:
            taken = self._resting.pop()
        except IndexError:
            taken = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
        try:
            yield taken
        finally:
            self._resting.append(taken)
