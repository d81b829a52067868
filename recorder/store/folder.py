"""The trace store as a folder of this machine: nothing but this program keeps its promises."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from recorder.errors import (
    StoreForbidden,
    StoreFull,
    StoreUnavailable,
    StoreUnreachable,
    TraceFormatError,
    TraceLocked,
    TraceNotFound,
)
from recorder.ports import Now, StoredObject
from recorder.seal.wrapping import MAX_WRAP, SUFFIX, check_wrap_name
from recorder.trace import instants
from recorder.trace.header import check_identifier
from recorder.trace.manifest import StoredFile, segment_name
from recorder.trace.place import (
    LIVE,
    MANIFEST,
    SIGNATURE,
    TRACE,
    TracePlace,
    check_file_name,
    checkpoint_path,
)

FILE_MODE = 0o440
LIVE_MODE = 0o640
FOLDER_MODE = 0o750
_LOCK = ".lock.json"
_CHUNK = 1 << 20


def wall_clock() -> datetime:
    """The aware UTC instant of the call."""
    return datetime.now(UTC)


class FolderStore:
    """Traces under one root: the same contract as a bucket's, kept by this program alone. Methods block.

    Whoever may write the folder may delete in it: a lock is a note beside the trace (``.lock.json``) that this class
    obeys. See `recorder.ports.TraceStore` for what the methods promise.

    Args:
        root: The folder; made when it is missing.
        retention: How long what is locked is kept, from when it came.
        held: Whether new traces come under a legal hold.
        now: Wall clock.
    """

    def __init__(
        self, root: Path, *, retention: timedelta = timedelta(), held: bool = False, now: Now = wall_clock
    ) -> None:
        self.root = root
        self._retention = retention
        self._held = held
        self._now = now

    def check(self, timeout: float) -> None:
        """Write and remove a small file where tails grow."""
        del timeout  # a local disk has none; who asks waits no longer than that
        probe = self.root / LIVE / f".probe-{os.getpid()}"
        with _told(self.root):
            probe.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            probe.write_bytes(b"probe")
            probe.unlink()

    def append(self, place: TracePlace, offset: int, data: bytes) -> None:
        """Let the file of the growing segment grow; it is called for where in the trace it begins."""
        folder = self.root / place.live
        with _told(self.root):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            start = max((each for each in _tails(folder) if each <= offset), default=offset)
            if start + _size(folder / _tail(start)) < offset:
                start = offset  # what stood before was sealed: a new file begins
            with _writing(folder / _tail(start)) as file:
                file.seek(offset - start)
                file.write(data)
                file.truncate()

    def seal(self, place: TracePlace, segment: StoredFile, source: Path, start: int) -> None:
        """Bring the growing file to the segment's size, hold it against the digest, and move it into its place."""
        target = self._file(place, segment["name"])
        growing = self.root / place.live / _tail(start)
        with _told(self.root):
            if target.exists():
                if _digest(target) != segment["sha256"]:
                    raise TraceFormatError(
                        f"the store holds another {target.name} of session {place.session_id}; the spool keeps this one"
                    )
                growing.unlink(missing_ok=True)
                return
            self._lock(place)
            growing.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            with _writing(growing) as file:
                have = min(os.fstat(file.fileno()).st_size, segment["bytes"])
                file.seek(have)
                _copy(source, start + have, segment["bytes"] - have, file)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            if _digest(growing) != segment["sha256"]:
                growing.unlink()  # the next try copies all of it
                raise TraceFormatError(f"{target.name} in the spool is not what was cut there")
            growing.rename(target)
            target.chmod(FILE_MODE)  # after it: what a crash leaves behind can still be written
            _sync(target.parent)

    def put(self, place: TracePlace, name: str, data: bytes, *, locked: bool) -> None:
        """Write a file whole, once."""
        target = self._file(place, name)
        with _told(self.root):
            if target.exists():
                if target.read_bytes() != data:
                    raise TraceFormatError(
                        f"the store holds another trace of session {place.session_id}: its {name} differs"
                    )
                return
            if locked:
                self._lock(place)
            _write_whole(target, data, FILE_MODE)

    def drop_tails(self, place: TracePlace) -> None:
        """Remove the folder of what grew."""
        with _told(self.root):
            shutil.rmtree(self.root / place.live, ignore_errors=True)

    def find(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> TracePlace:
        """Look where it should lie, or through the days."""
        try:
            check_identifier("hospital_id", hospital_id)
            check_identifier("session_id", session_id)
            if opened_at is not None:
                candidates = [TracePlace(hospital_id, session_id, opened_at)]
            else:
                found = (self.root / hospital_id).glob(f"*/*/*/{session_id}")
                candidates = [place_of(path.relative_to(self.root).as_posix()) for path in found]
        except TraceFormatError as error:
            raise TraceNotFound(str(error)) from error
        for candidate in candidates:
            if (self.root / candidate.folder / MANIFEST).is_file():
                return candidate
        raise TraceNotFound(f"no trace of session {session_id} is in the store")

    def open(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> Path:
        """The folder itself of a closed trace. Raises TraceNotFound where there is none."""
        return self.root / self.find(hospital_id, session_id, opened_at).folder

    @contextmanager
    def opened(self, place: TracePlace) -> Iterator[Path]:
        """Lend the folder itself."""
        yield self.open(place.hospital_id, place.session_id, place.opened_at)

    def read(self, place: TracePlace, offset: int, limit: int) -> bytes:
        """Read the segments one after another, then what grows."""
        folder, live = self.root / place.folder, self.root / place.live
        for _ in range(2):  # what grew may have been sealed between two looks
            start, number = 0, 1
            whole = [folder / TRACE] if (folder / TRACE).exists() else []
            while whole or (folder / segment_name(number)).exists():
                path = whole.pop() if whole else folder / segment_name(number)
                number += 1
                size = _size(path)
                if offset < start + size:
                    return _piece(path, offset - start, limit)
                start += size
            for begin in sorted(_tails(live)):
                if begin <= offset and (data := _piece(live / _tail(begin), offset - begin, limit)):
                    return data
        if not (folder.is_dir() or _tails(live)):
            raise TraceNotFound(f"nothing of session {place.session_id} is in the store")
        return b""

    def wraps(self, place: TracePlace) -> Mapping[str, bytes]:
        """Read every wrap beside the trace."""
        return {path.name: _piece(path, 0, MAX_WRAP) for path in self._wraps(place)}

    def put_wrap(self, place: TracePlace, name: str, data: bytes) -> None:
        """Write it whole beside its place, then move it there."""
        check_wrap_name(name)
        folder = self.open(place.hospital_id, place.session_id, place.opened_at)
        with _told(self.root):
            _write_whole(folder / name, data, FILE_MODE)

    def destroy_wrap(self, place: TracePlace, name: str) -> None:
        """Remove its file."""
        check_wrap_name(name)
        with _told(self.root):
            (self.root / place.folder / name).unlink(missing_ok=True)

    def sessions(self, hospital_id: str) -> list[str]:
        """Go through the days."""
        check_identifier("hospital_id", hospital_id)
        found = (self.root / hospital_id).glob(f"*/*/*/*/{MANIFEST}")
        return [path.parent.name for path in sorted(found)]

    def objects(self, place: TracePlace) -> list[StoredObject]:
        """Tell the files, and of each what the note beside them says of locked ones."""
        folder = self.open(place.hospital_id, place.session_id, place.opened_at)
        until, held = self._locked(place)
        return [
            StoredObject(path.name, _size(path), None, held=False)
            if path.suffix == SUFFIX
            else StoredObject(path.name, _size(path), until, held)
            for path in sorted(folder.iterdir())
            if not path.name.startswith(".")
        ]

    def keep(self, hospital_id: str, name: str, data: bytes) -> None:
        """Write a checkpoint's file whole, once."""
        target = self.root / checkpoint_path(hospital_id, name)
        with _told(self.root):
            if target.exists():
                if target.read_bytes() != data:
                    raise TraceFormatError(f"the store holds other bytes as {name}")
                return
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            _write_whole(target, data, FILE_MODE)

    def hold(self, place: TracePlace, *, held: bool) -> None:
        """Write the hold into the note."""
        self.open(place.hospital_id, place.session_id, place.opened_at)
        with _told(self.root):
            self._write_lock(place, self._locked(place)[0], held=held)

    def destroy_wraps(self, place: TracePlace) -> int:
        """Remove every wrap, unless the trace is held."""
        self.open(place.hospital_id, place.session_id, place.opened_at)
        if self._locked(place)[1]:
            raise TraceLocked(f"the trace of session {place.session_id} is under a legal hold")
        wraps = self._wraps(place)
        with _told(self.root):
            for path in wraps:
                path.unlink()
        return len(wraps)

    def delete(self, place: TracePlace, *, keep_manifest: bool = False) -> int:
        """Remove the files, unless the note says that they are kept."""
        folder = self.open(place.hospital_id, place.session_id, place.opened_at)
        until, held = self._locked(place)
        if held:
            raise TraceLocked(f"the trace of session {place.session_id} is under a legal hold")
        if until > self._now():
            raise TraceLocked(
                f"the trace of session {place.session_id} is kept until {until:%Y-%m-%d %H:%M} UTC"
            )
        spared = {MANIFEST, SIGNATURE, _LOCK} if keep_manifest else set()
        gone = [path for path in folder.iterdir() if path.name not in spared]
        # the manifest last: what was begun is found again, and finished
        gone.sort(key=lambda path: (path.name == MANIFEST, path.name))
        with _told(self.root):
            for path in gone:
                path.unlink()
            if not keep_manifest:
                folder.rmdir()
        return sum(path.name != _LOCK for path in gone)

    def _file(self, place: TracePlace, name: str) -> Path:
        check_file_name(name)
        folder = self.root / place.folder
        if not folder.is_dir():
            with _told(self.root):
                folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                for parent in folder.relative_to(self.root).parents:
                    _sync(self.root / parent)
        return folder / name

    def _wraps(self, place: TracePlace) -> list[Path]:
        return sorted((self.root / place.folder).glob(f"*{SUFFIX}"))

    def _lock(self, place: TracePlace) -> None:
        until, held = self._locked(place)
        self._write_lock(place, max(until, self._now() + self._retention), held=held or self._held)

    def _locked(self, place: TracePlace) -> tuple[datetime, bool]:
        try:
            noted = json.loads((self.root / place.folder / _LOCK).read_bytes())
            return instants.parse(noted["retain_until"]), bool(noted["held"])
        except FileNotFoundError:
            return datetime.min.replace(tzinfo=UTC), False
        except (OSError, ValueError, KeyError, TypeError, TraceFormatError) as error:
            raise TraceLocked(
                f"until when session {place.session_id} is kept cannot be read: {error}"
            ) from error

    def _write_lock(self, place: TracePlace, until: datetime, *, held: bool) -> None:
        noted = {"retain_until": instants.text(until), "held": held}
        _write_whole(self.root / place.folder / _LOCK, json.dumps(noted).encode(), LIVE_MODE)


def place_of(folder: str) -> TracePlace:
    """The place whose folder has this path. Raises TraceFormatError where none has."""
    try:
        hospital_id, year, month, day, session_id = folder.split("/")
        opened_at = datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError as error:
        raise TraceFormatError(f"{folder} is no trace's folder") from error
    return TracePlace(hospital_id, session_id, opened_at)


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Say what the disk refuses in the store's words."""
    try:
        yield
    except OSError as error:
        kinds: dict[int | None, type[StoreUnavailable]] = {
            errno.ENOSPC: StoreFull,
            errno.EDQUOT: StoreFull,
            errno.EACCES: StoreForbidden,
            errno.EPERM: StoreForbidden,
            errno.EROFS: StoreForbidden,
        }
        kind = kinds.get(error.errno, StoreUnreachable)
        raise kind(f"the trace store {root} cannot be used: {error.strerror or error}") from error


def _tail(start: int) -> str:
    return f"{start:020d}"


def _tails(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _piece(path: Path, offset: int, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except FileNotFoundError:
        return b""


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LIVE_MODE)
    with os.fdopen(descriptor, "r+b") as file:
        yield file


def _copy(source: Path, offset: int, size: int, target: BinaryIO) -> None:
    with source.open("rb") as file:
        file.seek(offset)
        while size > 0 and (chunk := file.read(min(size, _CHUNK))):
            target.write(chunk)
            size -= len(chunk)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with _writing(temporary) as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    path.chmod(mode)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
