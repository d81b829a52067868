"""What the recorder needs from outside, and what it asks of its own stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest, StoredFile
from recorder.trace.place import TracePlace

Now = Callable[[], datetime]
"""The wall clock: the aware UTC instant of the call."""

Alarm = Callable[[str, dict[str, Any]], None]
"""Told of what the security staff must hear: a name such as ``alarm.recording_failed``, and facts."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a trace, as the store keeps it.

    Attributes:
        name: Its file name.
        size: Its bytes.
        retain_until: Until when the store refuses to delete it, aware; None where it is not locked.
        held: Whether a legal hold is set on it.
    """

    name: str
    size: int
    retain_until: datetime | None
    held: bool


class TraceWriting(Protocol):
    """What the gateway does with the trace store: it adds, and removes nothing but the tails that it put.

    Every method blocks, in bounded time but for what a slow network takes; call it in a thread. All are safe to
    repeat after a crash or an answer that never came, and all raise `StoreUnavailable` by its kinds.
    """

    def check(self, timeout: float) -> None:
        """Write and remove a small unlocked object: whether a trace could be shipped now.

        Args:
            timeout: Seconds, about, after which no answer is an answer.
        """

    def append(self, place: TracePlace, source: Path, start: int, end: int) -> None:
        """Let a live trace's tail grow, unlocked.

        Args:
            place: Which trace.
            source: The file in the spool that has its bytes.
            start: Where in that file, and in the trace, these begin: at most where what was appended or sealed before
                ends. What they overlap is the same bytes.
            end: Where they end, at most `TAIL_BYTES` later.

        Raises:
            OSError: The source cannot be read.
        """

    def seal(self, place: TracePlace, segment: StoredFile, source: Path, start: int) -> None:
        """Keep one segment for good, locked.

        Args:
            place: Which trace.
            segment: Its name, size and digest.
            source: The file in the spool that has its bytes.
            start: Where in that file, and in the trace, they begin.

        Raises:
            TraceFormatError: The bytes are not those of the digest, or another segment has the place.
            OSError: The source cannot be read.
        """

    def put(self, place: TracePlace, name: str, data: bytes, *, locked: bool) -> None:
        """Keep a small file beside the segments: the manifest and what it names are locked, wraps are not.

        Raises:
            TraceFormatError: The name can be no file, or other bytes have the place already.
        """

    def drop_tails(self, place: TracePlace) -> None:
        """Remove what grew, once all of it is sealed."""


class TraceStore(TraceWriting, Protocol):
    """Where traces are kept: what the console does with it, besides. Every method blocks; all raise `StoreUnavailable`."""

    def find(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> TracePlace:
        """The place of a closed trace.

        Args:
            hospital_id: Whose trace.
            session_id: Which session.
            opened_at: When it opened, if known: saves a walk over the days.

        Raises:
            TraceNotFound: There is none: it is live, was deleted, or the identifiers can name none.
        """

    def opened(self, place: TracePlace) -> AbstractContextManager[Path]:
        """A local folder with the files of a closed trace, to be read only, and only inside the ``with``.

        Raises:
            TraceNotFound: There is none.
        """

    def read(self, place: TracePlace, offset: int, limit: int) -> bytes:
        """Bytes of a live or closed trace from ``offset`` on, at most ``limit``; none where it has not grown so far.

        Raises:
            TraceNotFound: Neither a tail nor a segment is there.
        """

    def wraps(self, place: TracePlace) -> Mapping[str, bytes]:
        """The wraps of a live or closed trace's data key, by file name; none where it is not sealed, or was erased.

        Raises:
            TraceFormatError: What has a wrap's name is no file.
        """

    def document(self, place: TracePlace, name: str) -> bytes:
        """A small file of a closed trace, such as its manifest, without fetching the rest.

        Raises:
            TraceNotFound: There is none.
            TraceFormatError: It is too large to be one.
        """

    def forget(self, place: TracePlace) -> None:
        """Remove what this process has at hand of a trace that was fetched to be read; a reader under way goes on."""

    def put_wrap(self, place: TracePlace, name: str, data: bytes) -> None:
        """Put one wrap beside a closed trace, or a note in its place; what was there of this name is destroyed.

        Raises:
            TraceFormatError: The name is no wrap's.
            TraceNotFound: There is no such trace.
        """

    def destroy_wrap(self, place: TracePlace, name: str) -> None:
        """Destroy one wrap in every version; nothing happens where there is none.

        Raises:
            TraceFormatError: The name is no wrap's.
        """

    def sessions(self, hospital_id: str) -> Sequence[str]:
        """Identifiers of the sessions of one hospital whose traces are closed, oldest day first.

        Raises:
            TraceFormatError: The identifier can be no part of a path.
        """

    def objects(self, place: TracePlace) -> Sequence[StoredObject]:
        """What is kept of a closed trace, by name.

        Raises:
            TraceNotFound: There is none.
            TraceFormatError: What lies there is no trace's.
            TraceLocked: Until when it is kept cannot be read.
        """

    def keep(self, hospital_id: str, name: str, data: bytes) -> None:
        """Keep a checkpoint's file for good, under ``<hospital>/checkpoints/``, locked as traces are; once or more often.

        Args:
            hospital_id: Whose.
            name: Its year and name, such as ``2026/0000000042.json``.
            data: Its bytes.

        Raises:
            TraceFormatError: The name can be no such file, or a folder's place for it holds other bytes.
        """

    def hold(self, place: TracePlace, *, held: bool) -> None:
        """Set or lift the legal hold on every locked object of a trace.

        Raises:
            TraceNotFound: There is none.
        """

    def destroy_wraps(self, place: TracePlace) -> int:
        """Erase a trace: destroy every wrap of its data key in every version; how many names there were.

        Raises:
            TraceNotFound: There is no such trace.
            TraceLocked: A legal hold is set on the trace; nothing was destroyed.
        """

    def delete(self, place: TracePlace, *, keep_stub: bool = False) -> int:
        """Delete a trace whose retention is over, in every version; how many objects there were.

        Args:
            place: Which trace.
            keep_stub: Leave the signed manifest, and the record of the purge: they prove what there was.

        Raises:
            TraceNotFound: There is none.
            TraceLocked: An object's retention is not over, or it is held; nothing was deleted.
        """


class CatalogWriter(Protocol):
    """What the write side tells the catalogue; it inserts, it never changes or deletes."""

    async def opened(self, header: TraceHeader) -> None:
        """Note that a session opened; nothing happens when it is noted already."""

    async def closed(self, manifest: Manifest, manifest_sha256: str) -> None:
        """Note that a session closed; nothing happens when it is noted already."""
