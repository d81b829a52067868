"""The trace store as a folder of this machine: nothing but this program keeps its promises."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recorder.errors import (
    TraceFormatError,
    TraceLocked,
    TraceNotFound,
)
from recorder.ports import Now, StoredObject
from recorder.regular import regular
from recorder.seal.wrapping import MAX_WRAP, SUFFIX, check_wrap_name
from recorder.store import files
from recorder.store.mount import Mount
from recorder.trace import instants
from recorder.trace.header import check_identifier
from recorder.trace.manifest import StoredFile, segment_name
from recorder.trace.place import (
    LIVE,
    MANIFEST,
    MAX_DOCUMENT,
    STUB,
    TRACE,
    TracePlace,
    check_file_name,
    checkpoint_path,
    tail_name,
)

FILE_MODE = 0o440
_NOTE = ".lock.json"


def wall_clock() -> datetime:
    """The aware UTC instant of the call."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Note:
    """What is noted beside a trace: until when each file is kept, and whether all of them are held."""

    ends: Mapping[str, datetime]
    held: bool
    retention: timedelta

    def until(self, path: Path) -> datetime:
        """Until when a file is kept; one that came before there were notes counts from when it was written."""
        written = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        return self.ends.get(path.name, written + self.retention)


class FolderStore:
    """Traces under one root: the same contract as a bucket's, kept by this program alone. Methods block.

    Whoever may write the folder may delete in it: a lock is a note beside the trace (``.lock.json``) that this class
    obeys. See `recorder.ports.TraceStore` for what the methods promise.

    Args:
        root: The folder; made when it is missing.
        retention: How long what is locked is kept, from when it came.
        held: Whether new traces come under a legal hold.
        now: Wall clock.
        memo: See `Mount`.
    """

    def __init__(
        self,
        root: Path,
        *,
        retention: timedelta = timedelta(),
        held: bool = False,
        now: Now = wall_clock,
        memo: Path | None = None,
    ) -> None:
        self.root = root
        self._retention = retention
        self._held = held
        self._now = now
        self._mount = Mount(root, memo)

    def check(self, timeout: float) -> None:
        """Write and remove a small file where tails grow."""
        del timeout  # a local disk has none; who asks waits no longer than that
        self._mount.here()
        probe = self.root / LIVE / f".probe-{os.getpid()}"
        with files.told(self.root):
            files.make_folders(probe.parent)
            with files.writing(probe) as file:
                file.write(b"probe")
            probe.unlink()

    def append(self, place: TracePlace, source: Path, start: int, end: int) -> None:
        """Let the file of the growing segment grow; it is called for where in the trace it begins."""
        folder = self.root / place.live
        self._mount.here()
        with files.told(self.root):
            files.make_folders(folder)
            begin = max((each for each in files.tails(folder) if each <= start), default=start)
            if begin + files.size(folder / tail_name(begin)) < start:
                begin = start  # what stood before was sealed: a new file begins
            with files.writing(folder / tail_name(begin)) as file:
                file.seek(start - begin)
                files.copy(source, start, end - start, file)
                file.truncate()

    def seal(self, place: TracePlace, segment: StoredFile, source: Path, start: int) -> None:
        """Bring the growing file to the segment's size, hold it against the digest, and move it into its place."""
        target = self._file(place, segment["name"])
        growing = self.root / place.live / tail_name(start)
        with files.told(self.root):
            if target.exists():
                if files.digest(target) != segment["sha256"]:
                    raise TraceFormatError(
                        f"the store holds another {target.name} of session {place.session_id}; the spool keeps this one"
                    )
                growing.unlink(missing_ok=True)
                return
            self._lock(place, target.name)
            files.make_folders(growing.parent)
            if not (
                files.fill(growing, segment, source, start) or files.fill(growing, segment, source, start)
            ):
                raise TraceFormatError(f"{target.name} in the spool is not what was cut there")
            growing.rename(target)
            files.set_mode(target, FILE_MODE)  # after it: what a crash leaves behind can still be written
            files.sync(target.parent)

    def put(self, place: TracePlace, name: str, data: bytes, *, locked: bool) -> None:
        """Write a file whole, once."""
        target = self._file(place, name)
        with files.told(self.root):
            if target.exists():
                if files.piece(target, 0, len(data) + 1) != data:
                    raise TraceFormatError(
                        f"the store holds another trace of session {place.session_id}: its {name} differs"
                    )
                return
            if locked:
                self._lock(place, name)
            files.write_whole(target, data, FILE_MODE)

    def drop_tails(self, place: TracePlace) -> None:
        """Remove the folder of what grew."""
        with files.told(self.root):
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
            with files.told(self.root):
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
        with files.told(self.root):
            return self._read(place, offset, limit)

    def _read(self, place: TracePlace, offset: int, limit: int) -> bytes:
        folder, live = self.root / place.folder, self.root / place.live
        for _ in range(2):  # what grew may have been sealed between two looks
            start, number = 0, 1
            whole = [folder / TRACE] if (folder / TRACE).exists() else []
            while whole or (folder / segment_name(number)).exists():
                path = whole.pop() if whole else folder / segment_name(number)
                number += 1
                size = files.size(path)
                if offset < start + size:
                    return files.piece(path, offset - start, limit)
                start += size
            for begin in sorted(files.tails(live)):
                if begin <= offset and (data := files.piece(live / tail_name(begin), offset - begin, limit)):
                    return data
        if not (folder.is_dir() or files.tails(live)):
            raise TraceNotFound(f"nothing of session {place.session_id} is in the store")
        return b""

    def wraps(self, place: TracePlace) -> Mapping[str, bytes]:
        """Read every wrap beside the trace. Raises TraceFormatError for what has such a name and is no file."""
        found = {}
        with files.told(self.root):
            for path in sorted((self.root / place.folder).glob(f"*{SUFFIX}")):
                with suppress(FileNotFoundError):  # destroyed since it was listed
                    _check_regular(path, place)
                    found[path.name] = files.piece(path, 0, MAX_WRAP)
        return found

    def document(self, place: TracePlace, name: str) -> bytes:
        """Read the file."""
        check_file_name(name)
        path = self.open(place.hospital_id, place.session_id, place.opened_at) / name
        with files.told(self.root):
            if not path.is_file():
                raise TraceNotFound(f"session {place.session_id} has no {name}")
            data = files.piece(path, 0, MAX_DOCUMENT + 1)
        if len(data) > MAX_DOCUMENT:
            raise TraceFormatError(f"{name} of session {place.session_id} is too large")
        return data

    def forget(self, place: TracePlace) -> None:
        """Do nothing: the folder itself is lent."""

    def put_wrap(self, place: TracePlace, name: str, data: bytes) -> None:
        """Write it whole beside its place, then move it there."""
        check_wrap_name(name)
        folder = self.open(place.hospital_id, place.session_id, place.opened_at)
        with files.told(self.root):
            files.write_whole(folder / name, data, FILE_MODE)

    def destroy_wrap(self, place: TracePlace, name: str) -> None:
        """Remove its file."""
        check_wrap_name(name)
        with files.told(self.root):
            (self.root / place.folder / name).unlink(missing_ok=True)

    def sessions(self, hospital_id: str) -> list[str]:
        """Go through the days."""
        check_identifier("hospital_id", hospital_id)
        found = (self.root / hospital_id).glob(f"*/*/*/*/{MANIFEST}")
        return [path.parent.name for path in sorted(found)]

    def objects(self, place: TracePlace) -> list[StoredObject]:
        """Tell the files, and of each locked one what the note beside them says."""
        entries, note = self._entries(place), self._note(place)
        with files.told(self.root):
            return [
                StoredObject(path.name, files.size(path), None, held=False)
                if path.suffix == SUFFIX
                else StoredObject(path.name, files.size(path), note.until(path), note.held)
                for path in entries
                if not path.name.startswith(".")
            ]

    def keep(self, hospital_id: str, name: str, data: bytes) -> None:
        """Write a checkpoint's file whole, once."""
        target = self.root / checkpoint_path(hospital_id, name)
        with files.told(self.root):
            if target.exists():
                if files.piece(target, 0, len(data) + 1) != data:
                    raise TraceFormatError(f"the store holds other bytes as {name}")
                return
            files.make_folders(target.parent)
            files.write_whole(target, data, FILE_MODE)

    def hold(self, place: TracePlace, *, held: bool) -> None:
        """Write the hold into the note."""
        self.open(place.hospital_id, place.session_id, place.opened_at)
        with files.told(self.root):
            self._write_note(place, replace(self._note(place), held=held))

    def destroy_wraps(self, place: TracePlace) -> int:
        """Remove every wrap, unless the trace is held."""
        wraps = [path for path in self._entries(place) if path.suffix == SUFFIX]
        if self._note(place).held:
            raise TraceLocked(f"the trace of session {place.session_id} is under a legal hold")
        with files.told(self.root):
            for path in wraps:
                path.unlink()
        return len(wraps)

    def delete(self, place: TracePlace, *, keep_stub: bool = False) -> int:
        """Remove the files, unless the note says that one of them is kept."""
        entries, note = self._entries(place), self._note(place)
        if note.held:
            raise TraceLocked(f"the trace of session {place.session_id} is under a legal hold")
        spared = {*STUB, _NOTE} if keep_stub else set()
        gone = [path for path in entries if path.name not in spared]
        for path in gone:
            if path.suffix != SUFFIX and path.name[0] != "." and (until := note.until(path)) > self._now():
                raise TraceLocked(
                    f"{path.name} of session {place.session_id} is kept until {until:%Y-%m-%d %H:%M} UTC"
                )
        # the manifest last: what was begun is found again, and finished
        gone.sort(key=lambda path: (path.name == MANIFEST, path.name))
        with files.told(self.root):
            for path in gone:
                path.unlink()
            if not keep_stub:
                (self.root / place.folder).rmdir()
            shutil.rmtree(self.root / place.live, ignore_errors=True)
        return sum(path.name[0] != "." for path in gone)

    def _file(self, place: TracePlace, name: str) -> Path:
        check_file_name(name)
        self._mount.here()
        folder = self.root / place.folder
        if not folder.is_dir():
            with files.told(self.root):
                files.make_folders(folder)
                for parent in folder.relative_to(self.root).parents:
                    files.sync(self.root / parent)
        return folder / name

    def _entries(self, place: TracePlace) -> list[Path]:
        """All that lies in a closed trace's folder, by name.

        Raises:
            TraceNotFound: There is none.
            TraceFormatError: Something in it is no file: no trace has that, and what is removed as one would never go.
        """
        with files.told(self.root):
            found = sorted(self.open(place.hospital_id, place.session_id, place.opened_at).iterdir())
            for path in found:
                _check_regular(path, place)
        return found

    def _lock(self, place: TracePlace, name: str) -> None:
        note = self._note(place)
        ends = {**note.ends, name: self._now() + self._retention}
        self._write_note(place, replace(note, ends=ends, held=note.held or self._held))

    def _note(self, place: TracePlace) -> _Note:
        try:
            with regular(self.root / place.folder / _NOTE, os.O_NOFOLLOW) as file:
                told = json.loads(file.read(MAX_DOCUMENT))
            ends = {str(name): instants.parse(end) for name, end in told["retain_until"].items()}
            return _Note(ends, bool(told["held"]), self._retention)
        except FileNotFoundError:
            return _Note({}, held=False, retention=self._retention)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, TraceFormatError) as error:
            raise TraceLocked(
                f"until when session {place.session_id} is kept cannot be read: {error}"
            ) from error

    def _write_note(self, place: TracePlace, note: _Note) -> None:
        ends = {name: instants.text(end) for name, end in note.ends.items()}
        told = json.dumps({"retain_until": ends, "held": note.held}, sort_keys=True)
        files.write_whole(self.root / place.folder / _NOTE, told.encode(), files.LIVE_MODE)


def place_of(folder: str) -> TracePlace:
    """The place whose folder has this path. Raises TraceFormatError where none has."""
    try:
        hospital_id, year, month, day, session_id = folder.split("/")
        opened_at = datetime(int(year), int(month), int(day), tzinfo=UTC)
    except ValueError as error:
        raise TraceFormatError(f"{folder} is no trace's folder") from error
    return TracePlace(hospital_id, session_id, opened_at)


def _check_regular(path: Path, place: TracePlace) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise TraceFormatError(f"{path.name} of session {place.session_id} is no file")
