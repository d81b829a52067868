"""Whether a folder of traces is still the one it was: a disk that is not mounted leaves an empty folder in its place."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from recorder.errors import StoreUnreachable

MARK = ".store"
"""In the folder of traces: a name of its own, which no other folder has."""
MEMO = ".store"
"""In the spool: that name, as it was when traces went there for the first time."""


class Mount:
    """Knows a folder by its mark from one process to the next, and by device and inode from one look to the next.

    Its method blocks.

    Args:
        root: The folder.
        memo: File that keeps the mark's name for the next process; None: the first look decides.
    """

    def __init__(self, root: Path, memo: Path | None = None) -> None:
        self._root = root
        self._memo = memo
        self._known: tuple[int, int] | None = None

    def here(self) -> None:
        """Make sure that it is the same folder as ever; one that is nowhere yet is made by who writes first.

        Raises:
            StoreUnreachable: It is gone, or another one stands in its place.
        """
        try:
            found = self._root.stat()
            if self._known is None:
                self._compare()
                self._known = (found.st_dev, found.st_ino)
        except FileNotFoundError as error:
            if self._known is None and self._kept() is None:
                return
            raise StoreUnreachable(f"the trace store {self._root} is gone: is its disk mounted?") from error
        except OSError as error:
            raise StoreUnreachable(
                f"the trace store {self._root} cannot be looked at: {error.strerror}"
            ) from error
        if self._known != (found.st_dev, found.st_ino):
            raise StoreUnreachable(
                f"the trace store {self._root} is another folder than it was: is its disk mounted?"
            )

    def _compare(self) -> None:
        if self._memo is None:
            return
        expected, mark = self._kept(), self._root / MARK
        try:
            name = mark.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            if expected is None:
                self._name(mark, self._memo)
                return
            name = ""
        if expected is None:
            self._memo.write_text(f"{name}\n", encoding="ascii")
        elif name != expected:
            raise StoreUnreachable(
                f"the trace store {self._root} is not the folder that traces went to before: is its disk mounted? "
                f"If you moved it, remove {self._memo}"
            )

    def _name(self, mark: Path, memo: Path) -> None:
        """Name a folder that has no name yet; two processes that do it at once agree on the first one's."""
        fresh = mark.with_name(f"{MARK}-{os.getpid()}")
        fresh.write_text(f"{uuid4().hex}\n", encoding="ascii")
        try:
            os.link(fresh, mark)
        except FileExistsError:
            pass  # another one was quicker: its name holds
        finally:
            fresh.unlink()
        memo.write_text(mark.read_text(encoding="ascii"), encoding="ascii")

    def _kept(self) -> str | None:
        try:
            return None if self._memo is None else self._memo.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
