"""The spool's folder: one directory a live trace, held by a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from recorder.errors import SpoolFull, SpoolUnavailable
from recorder.seal.files import write_new
from recorder.seal.signing import SigningKey
from recorder.trace import records
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest
from recorder.trace.place import MANIFEST, SIGNATURE, TRACE

_NEW = ".new-"


@dataclass(frozen=True, slots=True)
class OpenTrace:
    """A trace whose header is on the platter.

    Attributes:
        directory: Its folder in the spool.
        descriptor: The trace file, locked, for appending; whoever takes it closes it.
        offset: Bytes the file has.
        link: The chain's first link.
    """

    directory: Path
    descriptor: int
    offset: int
    link: bytes


class SpoolFolder:
    """The local folder of live traces. Every method blocks: call it in a thread.

    Args:
        path: The folder; made with mode 0700 by `prepare`.
        min_free_bytes: Free room below which nothing opens.
    """

    def __init__(self, path: Path, min_free_bytes: int) -> None:
        self.path = path
        self._min_free_bytes = min_free_bytes

    def prepare(self) -> None:
        """Make the folder when it is missing.

        Raises:
            SpoolUnavailable: It cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolUnavailable(f"the spool {self.path} cannot be made: {error.strerror}") from error

    def probe(self) -> None:
        """Write and remove a small file, to know that a session could be recorded.

        Raises:
            SpoolFull: Too little room.
            SpoolUnavailable: The disk refuses.
        """
        probe = self.path / f".probe-{os.getpid()}"
        try:
            status = os.statvfs(self.path)
            free = status.f_bavail * status.f_frsize
            if free < self._min_free_bytes:
                raise SpoolFull(
                    f"the spool {self.path} has {free} bytes free; sessions need {self._min_free_bytes} (min_free_bytes)"
                )
            probe.write_bytes(b"probe")
            probe.unlink()
        except OSError as error:
            raise SpoolUnavailable(f"the spool {self.path} cannot be written: {error.strerror}") from error

    def create(self, header: TraceHeader, wraps: Mapping[str, bytes]) -> OpenTrace:
        """Begin a trace; when this returns, its header survives a power cut.

        The folder gets its name only once the header is whole and locked, so that a recovery in
        another process never takes it for a dead one.

        Args:
            header: Whose session it is.
            wraps: Its data key for each reader, by file name; none where it is not sealed.

        Raises:
            SpoolUnavailable: The disk refuses, or a trace of this session is there already.
            TraceFormatError: The header has no stored form.
        """
        data, link = records.file_head(header)
        fresh = self.path / f"{_NEW}{header.session_id}"
        directory = self.path / header.session_id
        descriptor = -1
        try:
            if directory.exists():
                raise SpoolUnavailable(f"session {header.session_id} has a trace in the spool already")
            fresh.mkdir(mode=0o700)
            descriptor = os.open(
                fresh / TRACE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, wrapped in wraps.items():
                write_new(fresh / name, wrapped, 0o600)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
            sync_directory(fresh)
            fresh.rename(directory)
            sync_directory(self.path)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            shutil.rmtree(fresh, ignore_errors=True)
            raise SpoolUnavailable(f"the spool {self.path} cannot be written: {error.strerror}") from error
        return OpenTrace(directory, descriptor, len(data), link)

    def traces(self, but: Collection[str]) -> list[Path]:
        """Folders of traces, in their order, without those of these sessions: thousands that live are not even asked about."""
        with os.scandir(self.path) as entries:
            found = [
                one.path for one in entries if one.name[0] != "." and one.name not in but and one.is_dir()
            ]
        return [Path(path) for path in sorted(found)]

    def left_overs(self, live: Collection[str] = ()) -> list[Path]:
        """The same, *live* being those of this process; half-made ones of dead processes are removed."""
        for fresh in self.path.glob(f"{_NEW}*"):
            if fresh.is_dir():
                self._remove_dead(fresh)
        return self.traces(live)

    def _remove_dead(self, fresh: Path) -> None:
        """Nothing has passed before a folder has its name: a half-made one of the dead holds no evidence."""
        descriptor = lock(fresh)
        if descriptor is not None:
            shutil.rmtree(fresh, ignore_errors=True)
            os.close(descriptor)


def lock(directory: Path) -> int | None:
    """Take a trace from the spool; None when a living process holds it, or it has no trace file.

    Returns:
        The trace file, locked, for reading and appending; the caller closes it.

    Raises:
        OSError: The disk refuses.
    """
    trace = directory / TRACE
    try:
        try:
            descriptor = os.open(trace, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except PermissionError:  # it died between its manifest and the store: read-only already
            descriptor = os.open(trace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def sign(directory: Path, manifest: Manifest, key: SigningKey) -> bytes:
    """Put manifest and signature beside the trace, each whole or not at all.

    Returns:
        The manifest's bytes as stored.

    Raises:
        OSError: The disk refuses.
    """
    text = manifest.to_json()
    write_whole(directory / MANIFEST, text)
    write_whole(directory / SIGNATURE, key.sign(text))
    return text


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, and force it to the platter.

    Raises:
        OSError: The disk refuses.
    """
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Force a folder's entries to the platter.

    Raises:
        OSError: The disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
