"""The thread's side of one trace: frames in, whole records on the disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recorder.capture.compressors import Compressors
from recorder.capture.segments import Borders
from recorder.ports import Now
from recorder.seal.encryption import Clear, Suite
from recorder.trace import chain, frames, instants, records
from recorder.trace.frames import Frame, FrameType

if TYPE_CHECKING:
    from hashlib import _Hash

_compressors = Compressors()


_STREAMS = {FrameType.INPUT: "input", FrameType.OUTPUT: "output"}
"""The kinds of frames that may be data without end, and what a digest calls the stream they are of."""

_OPEN = Clear()

_Key = tuple[int, FrameType]


@dataclass(slots=True)
class _Stream:
    """What passed one way on one channel: how much in all, and the digest of all of it."""

    total: int = 0
    digest: _Hash = field(default_factory=hashlib.sha256)


class TraceWriter:
    """Appends records to one open trace file.

    Its methods block; a recording calls them from one thread at a time. After an error the file
    ends with the last whole record wherever the disk let it.

    Args:
        descriptor: The trace, locked, standing after its header; the writer owns it.
        offset: Bytes the file has.
        link: The chain's digest so far.
        suite: Seals the records, as the header says.
        sequence: Number of the last record written.
        now: Wall clock.
        input_limit: Bytes kept of one channel's input, and of a forwarded port's output; the rest is hashed.
        segment_start: Where the segment under way begins.

    Attributes:
        offset: Bytes the file has, all of them whole records.
        borders: Where the trace is to be cut into segments.
        position: Offset and number of the last whole record, of one and the same instant.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        offset: int,
        link: bytes,
        suite: Suite,
        now: Now,
        input_limit: int,
        sequence: int = 0,
        segment_start: int = 0,
    ) -> None:
        self.borders = Borders(segment_start)
        self._descriptor = descriptor
        self._suite = suite
        self._now = now
        self._input_limit = input_limit
        self._streams: dict[_Key, _Stream] = {}
        self._terminals: set[int] = set()
        self._forwarded: set[int] = set()
        self._in_use = threading.Lock()  # a sync under way must not see its descriptor given to another file
        self._closed = False
        self.offset = offset
        self.link = link
        self.sequence = sequence
        self.position = (offset, sequence)

    def write(self, batch: Sequence[Frame]) -> None:
        """Append the frames as one record; when this returns they survive the death of the process.

        Raises:
            OSError: The disk refused; what was written of the record is cut off again if it can be.
            TraceFormatError: The frames fit in no record.
        """
        kept = self._within_limit(batch)
        border = len(kept)
        if self._suite.number and kept[-1].type is FrameType.END:
            while border and kept[border - 1].type in frames.BORDERS:
                border -= 1
        self._append(kept[:border])
        self._append(kept[border:], sealed=False)

    def _append(self, kept: Sequence[Frame], *, sealed: bool = True) -> None:
        if not kept:
            return
        sealing, mark = (self._suite, 0) if sealed else (_OPEN, records.OPEN)
        plain = frames.encode(kept)
        with _compressors.one() as compressor:
            flags, content = records.compress(compressor, plain)
        head = records.record_head(
            len(content) + sealing.overhead, self.sequence + 1, instants.to_ns(self._now()), flags | mark
        )
        body = sealing.seal(head, content)
        link = chain.link(self.link, head, body)
        try:
            size = _write_all(self._descriptor, head, body, link)
        except OSError:
            self._cut_back()
            raise
        self.borders.record(
            self.offset, size
        )  # before the offset: who sees bytes beyond a border sees the border
        self.offset += size
        self.sequence += 1
        self.position = (self.offset, self.sequence)
        self.link = link

    def sync(self) -> None:
        """Force the records to the platter (fdatasync); safe beside `write` in another thread.

        Raises:
            OSError: The disk lost something.
        """
        with self._in_use:
            if not self._closed:
                os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file and its lock back, after a sync under way; safe to repeat."""
        with self._in_use:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.offset)
        except OSError:
            return  # the recovery trims the torn record instead

    def _within_limit(self, batch: Sequence[Frame]) -> list[Frame]:
        """The batch as it is stored: data beyond the limit becomes one digest frame a stream, and once a gap."""
        kept: list[Frame] = []
        beyond: dict[_Key, int] = {}
        for frame in batch:
            self._learn(frame)
            if not self._limited(frame):
                kept.append(frame)
                continue
            key = (frame.channel, frame.type)
            state = self._streams.setdefault(key, _Stream())
            room = self._input_limit - state.total
            state.total += len(frame.payload)
            state.digest.update(frame.payload)
            if room >= len(frame.payload):
                kept.append(frame)
                continue
            if room > 0:
                kept.append(Frame(frame.type, frame.channel, frame.at_ns, frame.payload[:room]))
            if state.total - len(frame.payload) <= self._input_limit:
                told = {"kind": "limit", "stream": _STREAMS[frame.type], "kept": self._input_limit}
                kept.append(Frame(FrameType.GAP, frame.channel, frame.at_ns, frames.canonical(told)))
            beyond[key] = frame.at_ns
        for key, at_ns in beyond.items():
            kept.append(self._digest(key, at_ns))
        return kept

    def _learn(self, frame: Frame) -> None:
        """Note which channels are terminals, whose input is no data, and which are forwarded ports."""
        if frame.type is FrameType.REQUEST:
            if isinstance(frames.facts(frame).get("pty"), dict):
                self._terminals.add(frame.channel)
        elif frame.type is FrameType.OPEN and frames.facts(frame).get("kind") == frames.FORWARDED:
            self._forwarded.add(frame.channel)

    def _limited(self, frame: Frame) -> bool:
        if frame.type is FrameType.INPUT:
            return frame.channel not in self._terminals  # there only lengths are recorded
        return frame.type is FrameType.OUTPUT and frame.channel in self._forwarded

    def _digest(self, key: _Key, at_ns: int) -> Frame:
        channel, kind = key
        state = self._streams[key]
        told = {"stream": _STREAMS[kind], "bytes": state.total, "sha256": state.digest.hexdigest()}
        return Frame(FrameType.DIGEST, channel, at_ns, frames.canonical(told))


def _write_all(descriptor: int, *parts: bytes) -> int:
    """Write the parts one after another, without joining them first; the number of bytes written."""
    size = sum(map(len, parts))
    written = os.writev(descriptor, parts)
    if written < size:  # a nearly full disk or a signal: a short write is no error yet
        rest = memoryview(b"".join(parts))
        while written < size:
            written += os.write(descriptor, rest[written:])
    return size
