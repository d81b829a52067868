"""Recordings cut for a player, kept so that nobody waits for the cutting: one file a trace, which can always be made anew.

Each part of such a file is sealed under a key derived from the trace's own: it shows nothing to who cannot open the trace,
and nothing to anybody once the trace's wraps are destroyed. It is the console's: no other process needs it. Every method
blocks but `ReplayCache.make`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from recorder.errors import RecorderError, TraceFormatError
from recorder.replay.outline import Outline
from recorder.replay.picture import Picture
from recorder.replay.pieces import Recording, Segment
from recorder.seal.encryption import CLEAR, Suite, derived, suite
from recorder.trace.header import TraceHeader, check_identifier
from recorder.trace.place import MANIFEST
from recorder.workers import worker

VERSION: Final = 1
"""Of what is kept of a trace: a file of another version is made anew."""
WORKER: Final = "recorder.replay.worker"
CPU_SECONDS: Final = 600
_PURPOSE: Final = b"ecluse replay cache v1"
_OUTLINE: Final = "outline"
_MOST_PART: Final = 64 << 20
_SMALL: Final = 32 << 10
"""Bytes of a stored trace below which it is cut faster than a process starts."""
_PATIENCE: Final = 10
_BROKEN: Final = (
    zipfile.BadZipFile,
    RecorderError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    NotImplementedError,
    zstandard.ZstdError,
)


class ReplayCache:
    """What is kept, one folder a hospital.

    Args:
        folder: Where; made when missing, for its owner alone.
        most: Bytes that all of it may take; what was used longest ago goes first.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most

    def load(self, header: TraceHeader, manifest_sha256: str, key: bytes | None) -> Recording | None:
        """The recording of a trace; None where it is not kept, or is not of this trace and version.

        Args:
            header: The trace's.
            manifest_sha256: Digest of its manifest, in hexadecimal.
            key: Its data key; None where it is not sealed.
        """
        path = self._path(header.hospital_id, header.session_id)
        try:
            file = zipfile.ZipFile(path)
            try:
                made = _Kept(
                    file, _sealing(header, key), f"{header.session_id} {manifest_sha256}"
                ).recording()
            except BaseException:
                file.close()
                raise
        except FileNotFoundError:
            return None
        except (*_BROKEN, OSError):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return made

    def keep(
        self,
        header: TraceHeader,
        manifest_sha256: str,
        key: bytes | None,
        recording: Recording,
        pictures: Sequence[Picture],
    ) -> None:
        """Keep a recording with the pictures of all its pieces. Raises OSError."""
        with self._replacing(header) as file:
            write(file, header, manifest_sha256, key, recording, pictures)
        self._make_room()

    async def make(self, folder: Path, header: TraceHeader, key: bytes | None) -> bool:
        """Cut and draw the trace in *folder* in a process of its own, and keep that; return whether it is kept now.

        A short one is not kept, and neither is one that the process cannot read or draw within its bounds.
        """
        path = self._path(header.hospital_id, header.session_id)
        stored = sum(one.stat().st_size for one in folder.iterdir() if one.is_file())
        if stored < _SMALL or path.exists():
            return path.exists()
        job = {
            "folder": str(folder),
            "key": None if key is None else key.hex(),
            "manifest_sha256": hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
            "most": min(self._most, _MOST_PART * 4),
        }
        with self._replacing(header) as file:
            if not await _worked(json.dumps(job).encode() + b"\n", file):
                raise _NotMade
        await asyncio.to_thread(self._make_room)
        return path.exists()

    def forget(self, hospital_id: str, sessions: Sequence[str]) -> None:
        """Remove what is kept of these sessions."""
        for session_id in sessions:
            with contextlib.suppress(OSError, TraceFormatError):
                self._path(hospital_id, session_id).unlink()

    def clear(self) -> None:
        """Remove all that is kept. Raises OSError."""
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _path(self, hospital_id: str, session_id: str) -> Path:
        check_identifier("hospital_id", hospital_id)
        check_identifier("session_id", session_id)
        return self._folder / hospital_id / f"{session_id}.zip"

    @contextlib.contextmanager
    def _replacing(self, header: TraceHeader) -> Any:
        path = self._path(header.hospital_id, header.session_id)
        for folder in (self._folder, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = path.with_name(f".{secrets.token_hex(8)}")
        try:
            with open(made, "xb", opener=partial(os.open, mode=0o600)) as file:
                yield file
            made.replace(path)
        except _NotMade:
            pass
        finally:
            made.unlink(missing_ok=True)

    def _make_room(self) -> None:
        found = []
        for path in self._folder.glob("*/*.zip"):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        over = sum(size for _, size, _ in found) - self._most
        for _, size, path in sorted(found):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size


class _NotMade(Exception):
    """Nothing is kept of this trace."""


class _Kept:
    """One file that is read: its parts, opened as they are asked for."""

    def __init__(self, file: zipfile.ZipFile, opener: Suite, bound: str) -> None:
        self._file, self._opener, self._bound = file, opener, bound

    def recording(self) -> Recording:
        told = json.loads(self._part(_OUTLINE))
        if told["version"] != VERSION:
            raise TraceFormatError("of another version")
        segments = [
            Segment(int(start), int(size), bool(resized), int(marks), partial(self._opened, str(number)))
            for number, (start, size, resized, marks) in enumerate(told["segments"])
        ]
        return Recording(Outline.from_json(told["outline"]), segments, self._picture)

    def _picture(self, number: int) -> Picture:
        return Picture.from_json(self._part(f"{number}.picture"))

    def _part(self, name: str) -> bytes:
        return zstandard.ZstdDecompressor().decompress(self._opened(name), max_output_size=_MOST_PART)

    def _opened(self, name: str) -> bytes:
        try:
            return self._opener.open(f"{self._bound} {name}".encode(), self._file.read(name))
        except (zipfile.BadZipFile, KeyError, OSError, NotImplementedError) as error:
            raise TraceFormatError(f"what is kept for the player cannot be read: {error}") from error


def write(
    file: IO[bytes],
    header: TraceHeader,
    manifest_sha256: str,
    key: bytes | None,
    recording: Recording,
    pictures: Sequence[Picture],
) -> None:
    """Write what is kept of a trace. Raises OSError."""
    sealing, bound = _sealing(header, key), f"{header.session_id} {manifest_sha256}"
    pack: Callable[[bytes], bytes] = zstandard.ZstdCompressor(level=3).compress
    outline = {
        "version": VERSION,
        "outline": recording.outline.to_json(),
        "segments": [[one.start_us, one.size, one.resized, one.marks] for one in recording.segments],
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:

        def put(name: str, packed: bytes) -> None:
            made.writestr(name, sealing.seal(f"{bound} {name}".encode(), packed))

        put(_OUTLINE, pack(json.dumps(outline).encode()))
        for number, (segment, picture) in enumerate(zip(recording.segments, pictures, strict=True)):
            put(str(number), segment.packed())
            put(f"{number}.picture", pack(picture.to_json()))


def _sealing(header: TraceHeader, key: bytes | None) -> Suite:
    if header.suite == CLEAR or key is None:
        return suite(header.suite)
    return suite(header.suite, derived(key, _PURPOSE))


async def _worked(job: bytes, file: IO[bytes]) -> bool:
    try:
        async with worker(WORKER, stdout=file) as process, asyncio.timeout(CPU_SECONDS * _PATIENCE):
            await process.communicate(job)
    except TimeoutError:
        return False
    return process.returncode == 0
