"""One trace on its way from the spool to the store: its tail while it grows, segments when they are cut, then the end."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from recorder.capture.segments import Segments
from recorder.ports import TraceWriting
from recorder.seal.wrapping import SUFFIX
from recorder.trace.manifest import Manifest, StoredFile
from recorder.trace.place import MANIFEST, SIGNATURE, TAIL_BYTES, TRACE, TracePlace

REPEAT_BYTES = 16 << 10
"""Bytes below which the last piece of a tail is put again, longer: so that hours of keystrokes are few objects."""

BULK_BYTES = 4 << 20
"""Growth from one round to the next from which on nothing is put into the tail."""


class Delivery:
    """Brings one trace to the store, in order; whatever is interrupted is taken up where it stood.

    Its methods block, one at a time. They raise `StoreUnavailable` for the store, OSError for the spool.

    Args:
        store: Where it goes.
        place: Where in it.
        directory: The trace's folder in the spool.
        segments: Its cuts, and what of it is there already.

    Attributes:
        segments: As given.
        end: Where in the trace ends what the store has of it.
    """

    def __init__(self, store: TraceWriting, place: TracePlace, directory: Path, segments: Segments) -> None:
        self.segments = segments
        self.end = 0
        self._store = store
        self._place = place
        self._directory = directory
        self._trace = directory / TRACE
        self._wrapped = False  # whether what it was wrapped for is there
        self._sealed = 0  # how many of the segments are known to be there
        self._seen = 0  # how far the trace had grown at the last round
        self._base = 0  # where the last piece of the tail begins

    def bring(self, end: int) -> None:
        """Seal what was cut, and let the tail grow up to this offset of the trace."""
        self._put_wraps()
        for segment in self.segments.cut[self._sealed :]:
            start = sum(each["bytes"] for each in self.segments.cut[: self._sealed])
            self._seal(segment, start)
            self._sealed += 1
            self._base = start + segment["bytes"]
            self.end = max(self.end, self._base)
        grown, self._seen = end - self._seen, end
        if grown >= BULK_BYTES:
            return  # at this pace the segment is full in a moment: it is not carried twice
        while self.end < end:
            if self.end - self._base >= REPEAT_BYTES:
                self._base = self.end
            upto = min(end, self._base + TAIL_BYTES)
            self._store.append(self._place, self._trace, self._base, upto)
            self.end = upto

    def finish(self, manifest: Manifest) -> None:
        """Bring the rest of a trace that is signed, its manifest last, and clear the tail and the spool."""
        self._put_wraps()
        start = 0
        for part in manifest.segments or (self._whole(manifest),):
            self._seal(part, start)
            start += part["bytes"]
        self.end = start
        for name in (*(item["name"] for item in manifest.files), SIGNATURE, MANIFEST):
            if not self.segments.has_shipped(name):
                self._store.put(self._place, name, (self._directory / name).read_bytes(), locked=True)
                self.segments.shipped(name)
        self._store.drop_tails(self._place)
        shutil.rmtree(self._directory)

    def _put_wraps(self) -> None:
        if self._wrapped:  # they were made before the first frame: whoever types makes a round each time
            return
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            if not self.segments.has_shipped(path.name):
                self._store.put(self._place, path.name, path.read_bytes(), locked=False)
                self.segments.shipped(path.name)
        self._wrapped = True

    def _seal(self, part: StoredFile, start: int) -> None:
        if not self.segments.has_shipped(part["name"]):
            self._store.seal(self._place, part, self._trace, start)
            self.segments.shipped(part["name"])

    def _whole(self, manifest: Manifest) -> StoredFile:
        """The one file of a trace that an earlier version signed."""
        with self._trace.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": TRACE, "bytes": manifest.size, "sha256": digest}
