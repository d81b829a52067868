"""How a backup is made while both processes run: databases at one instant, then traces, then what waits for the store."""

import contextlib
import errno
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import zstandard
from typing_extensions import Buffer, override

from ecluse.backup import bucket, databases
from ecluse.backup.archive import ArchiveWriter
from ecluse.diagnosis.files import database_files
from ecluse.errors import BackupError
from ecluse.links import opened_below
from ecluse.private_files import console_secrets, gateway_secrets, private_half
from ecluse.settings import Settings
from recorder.errors import ReaderKeyUnusable, SignatureInvalid
from recorder.seal.signing import SigningKey
from recorder.seal.wrapping import ReaderPublicKey
from recorder.trace import instants
from recorder.trace.frames import canonical

TREE: Final = "tree"
"""What lies in the data directory, by its path there."""
ELSEWHERE: Final = "elsewhere"
"""What the settings name outside of it, by its whole path."""
DATABASES: Final = "databases"
CONTENTS: Final = "contents.json"
LEVEL: Final = 3

Progress = Callable[[str, int, int], None]
"""Told of a file, and how many bytes of how many are done."""


@dataclass(frozen=True, slots=True)
class Made:
    """An archive: its identifier, the number of its files, their bytes, its own size, and what it says of the bucket."""

    archive: str
    files: int
    content_bytes: int
    size: int
    bucket: Mapping[str, Any] | None


@dataclass(slots=True)
class _Archive:
    """The tar inside, and what was put there: the last of a name counts. Below ``roots`` no link is followed."""

    tar: tarfile.TarFile
    roots: tuple[Path, ...]
    tell: Progress
    total: int
    done: int = 0
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """Put the file at *path* there as it is now, or no more; a folder as an empty one; a link or a pipe not at all."""
        root = max((one for one in self.roots if path.is_relative_to(one)), key=_depth, default=path.parent)
        try:
            descriptor = opened_below(root, path)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:
                return  # put there by who writes in that folder: what it leads to is none of the installation's
            raise
        with _Hashed(descriptor) as source:
            # tarfile asks it for its descriptor, and reads
            info = self.tar.gettarinfo(arcname=name, fileobj=cast(IO[bytes], source))
            if info.isdir():
                self.tar.addfile(info)
                self.files[name] = {"folder": True}
                return
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return
            info.type = tarfile.REGTYPE  # a second name of a file is a file of its own here
            info.size = status.st_size
            self.tar.addfile(info, cast(IO[bytes], source))
        self.files[name] = {"size": info.size, "sha256": source.digest.hexdigest()}
        self.seen[name] = (status.st_size, status.st_mtime_ns)
        self.done += info.size
        self.tell(name, min(self.done, self.total), self.total)

    def facts(self, name: str, document: Mapping[str, Any]) -> None:
        """Put a document of ours there."""
        data = canonical(dict(document))
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self.tar.addfile(info, io.BytesIO(data))


class _Hashed(io.RawIOBase):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.name = ""  # tarfile asks for one
        self.digest = hashlib.sha256()

    @override
    def fileno(self) -> int:
        return self._descriptor

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        size = os.readv(self._descriptor, [view])
        self.digest.update(view[:size])
        return size

    @override
    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _depth(path: Path) -> int:
    return len(path.parts)


def recipients(settings: Settings) -> list[ReaderPublicKey]:
    """Return whom backups are sealed for. Raises BackupError, also where a private half lies beside its public one."""
    if not settings.backup.recipients:
        raise BackupError("backup.no_recipient")
    found = []
    for path in settings.backup_recipients:
        private = private_half(path)
        if private is not None:
            raise BackupError("backup.private_key_here", path=str(private))
        try:
            found.append(ReaderPublicKey.load(path))
        except ReaderKeyUnusable as error:
            raise BackupError("backup.recipient", path=str(path), why=str(error)) from error
    return found


def make(settings: Settings, config: Path, target: Path, at: datetime, tell: Progress) -> Made:
    """Write a backup of the installation of *settings*, which were read from *config*, to the new file *target*.

    Raises BackupError, SettingsError; nothing is left of the attempt then.
    """
    sealed_for = recipients(settings)
    try:
        signer = SigningKey.load(settings.checkpoint_key)
    except SignatureInvalid as error:
        raise BackupError("backup.unsigned", why=str(error)) from error
    draft = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupError("backup.target", path=str(draft), why=error.strerror) from error
    scratch = Path(tempfile.mkdtemp(prefix=".backup-", dir=settings.data_dir))
    try:
        if target.exists():
            raise BackupError("backup.exists", path=str(target))
        with os.fdopen(descriptor, "wb") as file:
            copies = list(databases.copy(settings, scratch))
            inventory, listed = bucket.record(settings, scratch, at)
            about = {
                "hospital_id": settings.hospital_id,
                "node": settings.node,
                "made_at": instants.text(at),
                "ecluse": version("ecluse"),
                "data_dir": str(settings.data_dir),
            }
            sealing = ArchiveWriter(file, about, sealed_for, signer)
            kept = _Kept(copies, inventory, listed)
            written = _fill(settings, config, kept, sealing, tell)
            sealing.finish()
            file.flush()
            os.fsync(file.fileno())
        size = draft.stat().st_size
        draft.rename(target)
    except OSError as error:
        raise BackupError("backup.target", path=str(target), why=error.strerror or str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
    return Made(sealing.name, len(written.files), written.done, size, listed)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was written for the archive: the databases' copies, and the bucket's inventory where there is a bucket."""

    copies: list[databases.Copied]
    inventory: Path | None
    bucket: Mapping[str, Any] | None


def _fill(settings: Settings, config: Path, kept: _Kept, sealing: ArchiveWriter, tell: Progress) -> _Archive:
    made = [one.path for one in kept.copies] + ([] if kept.inventory is None else [kept.inventory])
    total = sum(_size(path) for path in (*made, *(path for _, path in _everything(settings))))
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    with (
        compressor.stream_writer(cast(BinaryIO, sealing), closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        roots = (settings.data_dir, settings.trace_folder, settings.spool)
        archive = _Archive(tar, roots, tell, max(1, total))
        listed = []
        for one in kept.copies:
            name = f"{DATABASES}/{one.path.name}"
            archive.add(name, one.path)
            listed.append({"stores": list(one.stores), "kind": one.kind, "file": name})
        if kept.inventory is not None:
            archive.add(f"{TREE}/{kept.inventory.name}", kept.inventory)
        for name, path in _kept_apart(settings, config):
            archive.add(name, path)
        for name, path in _own(settings):
            archive.add(name, path)
        # what grows: the store first, so that the spool's copy is never behind it; then what moved there meanwhile
        for name, path in (*_growing(settings, settings.trace_folder), *_growing(settings, settings.spool)):
            with contextlib.suppress(FileNotFoundError):
                archive.add(name, path)
        _settle(settings, archive)
        facts = {} if kept.bucket is None else {"bucket": kept.bucket}
        archive.facts(CONTENTS, {"files": archive.files, "databases": listed, **facts})
    return archive


def _settle(settings: Settings, archive: _Archive) -> None:
    """Copy again what the store got since, and forget what it has no more."""
    here = dict(_growing(settings, settings.trace_folder))
    for name, path in here.items():
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if path.is_file() and archive.seen.get(name) != (status.st_size, status.st_mtime_ns):
                archive.add(name, path)
    root = _name(settings, settings.trace_folder)
    for name in [known for known in archive.files if known.startswith(f"{root}/") and known not in here]:
        del archive.files[name]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0  # it moved from the spool into the store meanwhile


def _everything(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield from _own(settings)
    yield from _growing(settings, settings.trace_folder)
    yield from _growing(settings, settings.spool)


def _own(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Yield what lies in the data directory, but for databases, traces, and what is made again or was never to be kept."""
    left = {
        *(path.resolve() for path in database_files(settings)),
        *(settings.trace_folder, settings.spool, settings.search_folder, settings.trace_cache),
        *(settings.run_directory, settings.backup_folder, settings.data_dir / bucket.INVENTORY),
    }
    yield from _walk(settings.data_dir, settings.data_dir, left)


def _growing(settings: Settings, folder: Path) -> Iterator[tuple[str, Path]]:
    if settings.store.bucket is not None and folder == settings.trace_folder:
        return
    if folder.is_dir():
        name = _name(settings, folder)
        yield name, folder
        for below, path in _walk(folder, folder, set()):
            yield f"{name}/{below.removeprefix(f'{TREE}/')}", path


def _walk(folder: Path, base: Path, left: set[Path]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.iterdir()):
        if path in left or path.name.startswith(".backup-") or path.is_symlink():
            continue
        name = f"{TREE}/{path.relative_to(base)}"
        if path.is_dir():
            yield name, path
            with contextlib.suppress(FileNotFoundError):
                yield from _walk(path, base, left)
        elif path.is_file():
            yield name, path


def _kept_apart(settings: Settings, config: Path) -> Iterator[tuple[str, Path]]:
    """Yield the settings and the secrets that lie outside of the data directory."""
    keyring = sorted(settings.keyring.iterdir())
    for path in dict.fromkeys(
        (config.resolve(), *gateway_secrets(settings), *console_secrets(settings), *keyring)
    ):
        name = _name(settings, path)
        if name.startswith(f"{ELSEWHERE}/"):
            yield name, path


def _name(settings: Settings, path: Path) -> str:
    whole = Path(os.path.normpath(settings.data_dir / path))
    if whole.is_relative_to(settings.data_dir):
        return f"{TREE}/{whole.relative_to(settings.data_dir)}"
    return f"{ELSEWHERE}/{whole.relative_to(whole.anchor)}"
