"""An evidence package: one zip, made as it is sent, each file of it in an index that a console signs (FORMAT.md, 14)."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from typing_extensions import Buffer, override

from recorder.proof.extract import TRACES
from recorder.seal.signing import SigningKey
from recorder.trace.frames import canonical

INDEX: Final = "index.json"
INDEX_SIGNATURE: Final = "index.sig"
FORMAT: Final = "ecluse-package"
VERSION: Final = 1
_PIECE: Final = 256 * 1024
_LARGE: Final = 1 << 30
"""Bytes from which on a file's place in the zip is written in 64 bits, before it is known how long it gets."""
UNKNOWN: Final = 1 << 62
"""For a file of which nobody knows how long it gets: what is compressed in a trace may be thousands of times as long."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,5}")
_TIME: Final = (1980, 1, 1, 0, 0, 0)


class Package:
    """A zip whose bytes come out while files go in: neither it nor any file is held in memory or written to a disk.

    Names are plain, the dates of all files the same, their order is that of the calls.
    """

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._files: list[dict[str, Any]] = []
        self._names: set[str] = set()

    def add(
        self, name: str, pieces: Iterable[bytes], *, expected: int = 0, packed: bool = False
    ) -> Iterator[bytes]:
        """Put one file in, and yield what of the zip is ready meanwhile.

        Args:
            name: Path in the package, of plain letters.
            pieces: What it holds.
            expected: About how many bytes those are; `UNKNOWN` where they may be many.
            packed: It is compressed or sealed already: no time is spent on making it smaller.

        Raises:
            ValueError: The name is not plain, or there is one like it already.
        """
        if not _NAME.fullmatch(name) or name.casefold() in self._names:
            raise ValueError(f"{name!r} cannot be a file of a package")
        self._names.add(name.casefold())
        digest, size = hashlib.sha256(), 0
        entry = zipfile.ZipInfo(name, _TIME)
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
        entry._compresslevel = 0 if packed else 6  # type: ignore[attr-defined]  # noqa: SLF001 - public from Python 3.13 on
        with self._zip.open(entry, "w", force_zip64=expected >= _LARGE) as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
                yield from self._sink.taken()
        self._files.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})
        yield from self._sink.taken()

    def add_folder(self, folder: Path, prefix: str = "") -> Iterator[bytes]:
        """Put in the plain files in and below *folder*, by name, under *prefix*; those of no plain name are left out.

        Raises:
            OSError: One cannot be read.
        """
        for path in sorted(folder.rglob("*")):
            name = prefix + path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(name):
                continue
            packed = path.suffix == ".ecl"
            yield from self.add(name, _read(path), expected=path.stat().st_size, packed=packed)

    def add_trace(self, folder: Path, session_id: str) -> Iterator[bytes]:
        """Put in the files of a trace, or of its stub, as they are stored; raises OSError."""
        yield from self.add_folder(folder, f"{TRACES}/{session_id}/")

    def close(self, facts: dict[str, Any], sessions: Sequence[str], key: SigningKey) -> Iterator[bytes]:
        """Put in the index of all files and its signature, and yield the rest of the zip.

        Args:
            facts: What the index tells besides: ``hospital_id``, ``made_at``, ``made_by``, ``reason``.
            sessions: Which it is to prove.
            key: Of who signs checkpoints.
        """
        index = canonical(
            {
                **facts,
                "format": FORMAT,
                "version": VERSION,
                "sessions": sorted(sessions),
                "signer": key.public.key_id,
                "files": sorted(self._files, key=lambda item: str(item["name"])),
            }
        )
        yield from self.add(INDEX, [index])
        yield from self.add(INDEX_SIGNATURE, [key.sign(index)])
        self._zip.close()
        yield from self._sink.taken()


class _Sink(io.RawIOBase):
    """Where the zip is written to: gives back what came, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def taken(self) -> Iterator[bytes]:
        """What came since the last time, in pieces of some size."""
        if self._size:
            yield b"".join(self._pieces)
            self._pieces, self._size = [], 0


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
