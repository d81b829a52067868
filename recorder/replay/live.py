"""A trace that still grows, read out of the store as far as it has come there: the gateway is never asked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import zstandard

from recorder.ports import TraceStore
from recorder.replay.reader import frames_of
from recorder.seal.encryption import CLEAR, Suite, suite
from recorder.seal.wrapping import ReaderKey, open_wraps
from recorder.trace import records
from recorder.trace.frames import Frame, FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace

PIECE: Final = 512 << 10
"""Bytes read at once."""


class LiveTrace:
    """One pass over a trace that may still grow; each record is checked against the chain. Methods block.

    Args:
        store: Where it grows.
        place: Where in it.
        readers: Keys that may open it.

    Attributes:
        header: Who reached what; None before that much has come.
        caught_up: Whether nothing more was there when it was last asked.
        over: Whether the trace's last record was read.
    """

    def __init__(self, store: TraceStore, place: TracePlace, readers: Sequence[ReaderKey]) -> None:
        self._store = store
        self._place = place
        self._readers = readers
        self._read = 0
        self._rest = bytearray()
        self._link = b""
        self._sequence = 0
        self._suite: Suite | None = None
        self._decompressor = zstandard.ZstdDecompressor()
        self.header: TraceHeader | None = None
        self.caught_up = False
        self.over = False

    def grown(self) -> list[Frame]:
        """The frames that came since, of one piece at most; none where nothing did.

        Raises:
            TraceNotFound: Nothing of it is in the store yet.
            StoreUnavailable: The store does not answer, by its kinds; ask again later.
            ChainBroken: A record is not the one that was written there.
            TraceFormatError: No writer of this version made it.
            ReaderKeyLocked: One of the readers' keys opens it, once somebody unlocks it.
            TraceSealed: None of the readers' keys opens it.
        """
        data = self._store.read(self._place, self._read, PIECE)
        self._read += len(data)
        self._rest += data
        self.caught_up = not data
        if self.header is None and not self._begin():
            return []
        return self._frames()

    def _begin(self) -> bool:
        size = records.head_size(self._rest)
        if size is None or len(self._rest) < size:
            return False
        header, self._link, taken = records.read_head(io.BytesIO(self._rest[:size]))
        key = None
        if header.suite != CLEAR:
            key = open_wraps(self._store.wraps(self._place), header, self._readers)
        self._suite = suite(header.suite, key)
        self.header = header
        del self._rest[:taken]
        return True

    def _frames(self) -> list[Frame]:
        if self._suite is None:
            return []
        found: list[Frame] = []
        at = 0
        while (size := records.record_size(self._rest, at, self._sequence + 1)) is not None:
            if len(self._rest) - at < size:
                break
            file = io.BytesIO(bytes(self._rest[at : at + size]))
            record = records.read_record(file, self._sequence + 1, self._link)
            if record is None:
                break
            self._link, self._sequence = record.link, record.sequence
            at += size
            found += frames_of(record, self._suite, self._decompressor)
        del self._rest[:at]
        self.over = self.over or any(frame.type is FrameType.END for frame in found)
        return found
