"""The trace store as an S3-compatible bucket with object lock (ADR 25)."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, BinaryIO, cast

from typing_extensions import Buffer, override

from recorder.errors import StoreUnavailable, TraceFormatError, TraceLocked, TraceNotFound
from recorder.ports import Now, StoredObject
from recorder.seal.wrapping import MAX_WRAP, SUFFIX, check_wrap_name
from recorder.settings import BucketSettings
from recorder.store.bucket import Bucket, Listed
from recorder.store.cache import TraceCache
from recorder.store.folder import place_of
from recorder.trace.header import check_identifier
from recorder.trace.manifest import StoredFile
from recorder.trace.place import (
    LIVE,
    MANIFEST,
    MAX_DOCUMENT,
    STUB,
    TAIL_BYTES,
    TRACE,
    TracePlace,
    check_file_name,
    checkpoint_path,
    is_file_name,
    is_segment,
    tail_name,
    tail_offset,
)


class ObjectStore:
    """Traces in a bucket that refuses to forget them. See `recorder.ports.TraceStore` for what the methods promise.

    A live trace's tail is some objects ``live/<hospital>/<session>/<offset>``, each with the bytes from that offset
    on. What is put twice becomes a second version of the same bytes: nothing is ever read to find out whether it is
    there, so that the gateway's credentials need no right to read.

    Args:
        settings: The bucket and how to reach it.
        retention: How long what is locked is kept, from when it came; zero: it is not locked.
        held: Whether new traces come under a legal hold.
        now: Wall clock.
    """

    def __init__(self, settings: BucketSettings, *, retention: timedelta, held: bool, now: Now) -> None:
        self._bucket = Bucket(settings)
        self._retention = retention
        self._held = held
        self._now = now
        self._prefix = f"{settings.prefix}/" if settings.prefix else ""
        self._cache = TraceCache(settings.cache, settings.cache_bytes)

    def check(self, timeout: float) -> None:
        """Put and remove a small object under ``live``."""
        self._bucket.probe(f"{self._prefix}{LIVE}/.probe-{platform.node()}", timeout)

    def examine(self) -> None:
        """Make sure that the bucket can keep traces. Raises StoreUnfit, with the way out."""
        self._bucket.examine()

    def append(self, place: TracePlace, source: Path, start: int, end: int) -> None:
        """Put one object that begins at the start."""
        with source.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        self._bucket.put(self._tail(place, start), data)

    def seal(self, place: TracePlace, segment: StoredFile, source: Path, start: int) -> None:
        """Put the whole segment, streamed from the spool, and remove the tail's objects that it replaces."""
        with source.open("rb") as file:
            body = _Window(file, start, segment["bytes"])
            # not every server holds what comes against the digest that it is told
            if hashlib.file_digest(body, "sha256").hexdigest() != segment["sha256"]:
                raise TraceFormatError(f"{segment['name']} in the spool is not what was cut there")
            body.seek(0)
            self._keep(_path(place, segment["name"]), cast("IO[bytes]", body), segment["sha256"])
        try:
            self._drop(place, start, start + segment["bytes"])
        except StoreUnavailable:
            return  # the segment is there, which counts; what is left of the tail goes with the rest of it

    def put(self, place: TracePlace, name: str, data: bytes, *, locked: bool) -> None:
        """Put one object."""
        if locked:
            self._keep(_path(place, name), data, hashlib.sha256(data).hexdigest())
        else:
            self._bucket.put(self._key(place, name), data)

    def drop_tails(self, place: TracePlace) -> None:
        """Remove every object of the tail."""
        self._drop(place, 0, None)

    def find(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> TracePlace:
        """Ask for the manifest, or go through the hospital's manifests where the day is unknown."""
        missing = f"no trace of session {session_id} is in the store"
        try:
            check_identifier("session_id", session_id)
            if opened_at is None:
                check_identifier("hospital_id", hospital_id)
                place = next((one for one in self._closed(hospital_id) if one.session_id == session_id), None)
                if place is None:
                    raise TraceNotFound(missing)
                return place
            place = TracePlace(hospital_id, session_id, opened_at)
        except TraceFormatError as error:
            raise TraceNotFound(str(error)) from error
        if not any(each.key == self._key(place, MANIFEST) for each in self._names(place).values()):
            raise TraceNotFound(missing)
        return place

    def opened(self, place: TracePlace) -> AbstractContextManager[Path]:
        """Lend a folder of the private cache, brought up to date."""
        wanted = self._closed_names(place)
        return self._cache.lent(place, wanted, self._bucket.fetch)

    def read(self, place: TracePlace, offset: int, limit: int) -> bytes:
        """Read the segments one after another, then what grows."""
        known = False
        for _ in range(2):  # what grew may have been sealed between two looks
            start = 0
            for name, each in sorted(self._names(place).items()):
                if not is_segment(name) and name != TRACE:
                    continue
                known = True
                if offset < start + each.size:
                    return self._bucket.read(each.key, offset - start, limit)
                start += each.size
            data, grows = self._grown(place, offset, limit)
            if data:
                return data
            known = known or grows
        if not known:
            raise TraceNotFound(f"nothing of session {place.session_id} is in the store")
        return b""

    def wraps(self, place: TracePlace) -> Mapping[str, bytes]:
        """Read every wrap beside the trace."""
        found = sorted(self._names(place).items())
        return {
            name: self._bucket.read(each.key, 0, MAX_WRAP) for name, each in found if name.endswith(SUFFIX)
        }

    def document(self, place: TracePlace, name: str) -> bytes:
        """Read the object."""
        data = self._bucket.read(self._key(place, name), 0, MAX_DOCUMENT + 1)
        if len(data) > MAX_DOCUMENT:
            raise TraceFormatError(f"{name} of session {place.session_id} is too large")
        return data

    def forget(self, place: TracePlace) -> None:
        """Take the trace out of the private cache."""
        self._cache.forget(place)

    def put_wrap(self, place: TracePlace, name: str, data: bytes) -> None:
        """Put its object, then delete the versions that were there before."""
        check_wrap_name(name)
        self.find(place.hospital_id, place.session_id, place.opened_at)
        key = self._key(place, name)
        before = self._wrap_versions(key)
        self._bucket.put(key, data)
        self._bucket.delete(before)

    def destroy_wrap(self, place: TracePlace, name: str) -> None:
        """Delete every version of its object."""
        check_wrap_name(name)
        self._bucket.delete(self._wrap_versions(self._key(place, name)))

    def sessions(self, hospital_id: str) -> list[str]:
        """Go through the hospital's manifests."""
        check_identifier("hospital_id", hospital_id)
        return [place.session_id for place in self._closed(hospital_id)]

    def objects(self, place: TracePlace) -> list[StoredObject]:
        """Ask each object for its lock."""
        found = []
        for name, each in sorted(self._closed_names(place).items()):
            lock = self._bucket.lock(each.key)
            found.append(StoredObject(name, lock.size, lock.retain_until, lock.held))
        return found

    def keep(self, hospital_id: str, name: str, data: bytes) -> None:
        """Put the object; the same bytes again are a second version."""
        self._keep(checkpoint_path(hospital_id, name), data, hashlib.sha256(data).hexdigest())

    def hold(self, place: TracePlace, *, held: bool) -> None:
        """Set or lift the hold on every version of every locked object."""
        for key, version in self._versions(place, marks=False):
            if not key.endswith(SUFFIX):
                self._bucket.hold(key, version, held=held)

    def destroy_wraps(self, place: TracePlace) -> int:
        """Delete every version of every wrap, unless the manifest is held."""
        versions = self._versions(place)
        if self._bucket.lock(self._key(place, MANIFEST)).held:
            raise TraceLocked(f"the trace of session {place.session_id} is under a legal hold")
        wraps = [each for each in versions if each[0].endswith(SUFFIX)]
        self._bucket.delete(wraps)
        return len({key for key, _ in wraps})

    def _wrap_versions(self, key: str) -> list[tuple[str, str]]:
        return [each for each in self._bucket.versions(key) if each[0] == key]

    def delete(self, place: TracePlace, *, keep_stub: bool = False) -> int:
        """Delete every version, once each has been asked whether it may go, and what is left of its tail."""
        spared = {self._key(place, name) for name in (STUB if keep_stub else ())}
        versions = [each for each in self._versions(place) if each[0] not in spared]
        for key, version in self._versions(place, marks=False):
            if key in spared:
                continue
            lock = self._bucket.lock(key, version)
            if lock.held:
                raise TraceLocked(f"{key} is under a legal hold")
            if lock.retain_until is not None and lock.retain_until > self._now():
                raise TraceLocked(
                    f"{key} is kept until {lock.retain_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
                )
        # the manifest last: what was begun is found again, and finished
        versions.sort(key=lambda each: (each[0].endswith(f"/{MANIFEST}"), each))
        tails = list(self._bucket.versions(f"{self._prefix}{place.live}/"))
        self._bucket.delete([*tails, *versions])
        return len({key for key, _ in versions})

    def _keep(self, path: str, body: bytes | IO[bytes], sha256: str) -> None:
        until = self._now() + self._retention if self._retention else None
        self._bucket.put_locked(f"{self._prefix}{path}", body, sha256, until=until, held=self._held)

    def _key(self, place: TracePlace, name: str) -> str:
        return f"{self._prefix}{_path(place, name)}"

    def _tail(self, place: TracePlace, offset: int) -> str:
        return f"{self._prefix}{place.live}/{tail_name(offset)}"

    def _names(self, place: TracePlace) -> dict[str, Listed]:
        """The objects of a trace by file name; what somebody put there under other names, or deeper, is none of it."""
        folder = f"{self._prefix}{place.folder}/"
        found = ((each.key.removeprefix(folder), each) for each in self._bucket.listed(folder))
        return {name: each for name, each in found if is_file_name(name)}

    def _closed_names(self, place: TracePlace) -> dict[str, Listed]:
        found = self._names(place)
        if MANIFEST not in found:
            raise TraceNotFound(f"no trace of session {place.session_id} is in the store")
        return found

    def _closed(self, hospital_id: str) -> Iterator[TracePlace]:
        """The hospital's closed traces, oldest day first."""
        for each in self._bucket.listed(f"{self._prefix}{hospital_id}/"):
            folder, _, name = each.key.removeprefix(self._prefix).rpartition("/")
            if name == MANIFEST:
                with suppress(TraceFormatError):  # somebody put it where no trace lies
                    yield place_of(folder)

    def _versions(self, place: TracePlace, *, marks: bool = True) -> list[tuple[str, str]]:
        self._closed_names(place)
        return list(self._bucket.versions(f"{self._prefix}{place.folder}/", marks=marks))

    def _grown(self, place: TracePlace, offset: int, limit: int) -> tuple[bytes, bool]:
        """What the tail has from the offset on, and whether there is a tail at all."""
        # the object that holds the offset begins less than TAIL_BYTES before it
        after = self._tail(place, offset - TAIL_BYTES) if offset >= TAIL_BYTES else ""
        begun = list(self._tails(place, after))
        data = bytearray()
        for start, each in begun:
            at = offset + len(data)
            if len(data) < limit and start <= at < start + each.size:
                try:
                    data += self._bucket.read(each.key, at - start, limit - len(data))
                except TraceNotFound:
                    break  # sealed meanwhile
        return bytes(data), bool(begun)

    def _tails(self, place: TracePlace, after: str = "") -> Iterator[tuple[int, Listed]]:
        folder = f"{self._prefix}{place.live}/"
        for each in self._bucket.listed(folder, after=after):
            start = tail_offset(each.key.removeprefix(folder))
            if start is not None:
                yield start, each

    def _drop(self, place: TracePlace, start: int, end: int | None) -> None:
        for begin, each in list(self._tails(place)):
            if start <= begin and (end is None or begin < end):
                self._bucket.remove(each.key)


def _path(place: TracePlace, name: str) -> str:
    check_file_name(name)
    return f"{place.folder}/{name}"


class _Window(io.RawIOBase):
    """Some bytes of a file as a file, to be sent without being held in memory."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    @override
    def tell(self) -> int:
        return self._at

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(view), max(0, self._size - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
