"""The trace store as a folder: ``<hospital>/<yyyy>/<mm>/<dd>/<session>/``."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from recorder.errors import TraceFormatError, TraceNotFound
from recorder.trace.header import check_identifier
from recorder.trace.manifest import Manifest

FILE_MODE = 0o440
FOLDER_MODE = 0o750
_INCOMING = ".incoming"


class FolderStore:
    """Closed traces under one root; nothing in it is ever written again. Methods block.

    Args:
        root: The folder; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, directory: Path, manifest: Manifest) -> Path:
        """Move a closed trace in: by rename on the same file system, else by copy, sync and rename.

        Safe to repeat: a trace that arrived before a crash is only removed from the spool.

        Args:
            directory: The trace's folder in the spool.
            manifest: What was signed; names hospital, day (UTC) and session.

        Returns:
            The trace's folder in the store.

        Raises:
            TraceFormatError: An identifier can be no part of a path, or another trace has the place.
            OSError: The store cannot be written.
        """
        target = self._place(manifest.hospital_id, manifest.session_id, manifest.opened_at)
        if target.exists():
            return self._settle(directory, target)
        target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        _lock_down(directory)
        try:
            directory.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(directory, target)
            shutil.rmtree(directory)
        for parent in (target, *target.relative_to(self.root).parents):
            _sync(self.root / parent)
        return target

    def open(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> Path:
        """The folder of one trace.

        Args:
            hospital_id: Whose trace.
            session_id: Which session.
            opened_at: When it opened, if known: saves a walk over the days.

        Raises:
            TraceNotFound: There is none, or the identifiers can name none.
        """
        try:
            check_identifier("hospital_id", hospital_id)
            check_identifier("session_id", session_id)
            if opened_at is not None:
                candidates = [self._place(hospital_id, session_id, opened_at)]
            else:
                candidates = list((self.root / hospital_id).glob(f"*/*/*/{session_id}"))
        except TraceFormatError as error:
            raise TraceNotFound(str(error)) from error
        for candidate in candidates:
            if candidate.is_dir():
                return candidate
        raise TraceNotFound(f"no trace of session {session_id} is in the store")

    def list(self, hospital_id: str) -> list[str]:
        """Identifiers of the sessions of one hospital, oldest day first.

        Raises:
            TraceFormatError: The identifier can be no part of a path.
        """
        check_identifier("hospital_id", hospital_id)
        found = (self.root / hospital_id).glob("*/*/*/*")
        return [path.name for path in sorted(found) if path.is_dir()]

    def _place(self, hospital_id: str, session_id: str, opened_at: datetime) -> Path:
        check_identifier("hospital_id", hospital_id)
        check_identifier("session_id", session_id)
        return self.root / hospital_id / opened_at.astimezone(UTC).strftime("%Y/%m/%d") / session_id

    def _settle(self, directory: Path, target: Path) -> Path:
        if (directory / "manifest.json").read_bytes() != (target / "manifest.json").read_bytes():
            raise TraceFormatError(
                f"the store holds another trace of session {target.name}; the spool keeps this one"
            )
        shutil.rmtree(directory)
        return target

    def _copy(self, directory: Path, target: Path) -> None:
        incoming = self.root / _INCOMING / target.name
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(mode=FOLDER_MODE, parents=True)
        for source in sorted(directory.iterdir()):
            copied = incoming / source.name
            shutil.copyfile(source, copied)
            _sync(copied)
        _lock_down(incoming)
        _sync(incoming)
        incoming.rename(target)


def _lock_down(directory: Path) -> None:
    for path in directory.iterdir():
        path.chmod(FILE_MODE)
    directory.chmod(FOLDER_MODE)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
