"""A private, bounded folder of traces fetched from afar, while they are read."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from weakref import finalize

from recorder.store.bucket import Listed
from recorder.store.files import told
from recorder.trace.place import TracePlace

Fetch = Callable[[str, Path], None]
_LOCK = ".used"


class _Entry:
    """One trace at hand: which objects' bytes, how large, and how many read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tags: dict[str, str] = {}
        self.size = 0
        self.readers = 0
        self.busy = threading.Lock()
        self.forgotten = False


class TraceCache:
    """Folders that belong to this process alone; those of dead ones are removed. Methods may be called in threads.

    Args:
        root: Made with mode 0700 at first use, when it is missing.
        limit: Bytes that may stay while nobody reads them.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self._root = root
        self._limit = limit
        self._own: Path | None = None
        self._entries: dict[str, _Entry] = {}
        self._guard = threading.Lock()

    @contextmanager
    def lent(self, place: TracePlace, wanted: Mapping[str, Listed], fetch: Fetch) -> Iterator[Path]:
        """A folder with exactly the wanted objects by name, to be read only; what is at hand is not fetched again.

        Raises:
            StoreUnavailable: The cache cannot be written, or as ``fetch`` does; nothing half-fetched is lent.
        """
        with self._guard, told(self._root):
            entry = self._entries.pop(place.folder, None)
            if entry is None:
                entry = _Entry(Path(tempfile.mkdtemp(dir=self._mine())))
            self._entries[place.folder] = entry  # the newest at the end
            entry.readers += 1
        try:
            with entry.busy, told(self._root):
                _bring_up_to_date(entry, wanted, fetch)
            yield entry.folder
        finally:
            with self._guard:
                entry.readers -= 1
                if entry.forgotten and entry.readers == 0:
                    shutil.rmtree(entry.folder, ignore_errors=True)
                self._shrink()

    def forget(self, place: TracePlace) -> None:
        """Remove the trace's folder, or leave it to its last reader to do so."""
        with self._guard, told(self._root):
            entry = self._entries.pop(place.folder, None)
            if entry is None:
                return
            entry.forgotten = True
            if entry.readers == 0:
                shutil.rmtree(entry.folder, ignore_errors=True)

    def _shrink(self) -> None:
        total = sum(entry.size for entry in self._entries.values())
        for folder, entry in list(self._entries.items()):
            if total <= self._limit:
                return
            if entry.readers == 0:
                total -= entry.size
                del self._entries[folder]
                shutil.rmtree(entry.folder, ignore_errors=True)

    def _mine(self) -> Path:
        """This process's folder, held by a lock that dies with it."""
        if self._own is None:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._root.iterdir():
                _remove_dead(left)
            own = Path(tempfile.mkdtemp(dir=self._root))
            held = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(held, fcntl.LOCK_EX)
            finalize(self, _give_up, own, held)
            self._own = own
        return self._own


def _bring_up_to_date(entry: _Entry, wanted: Mapping[str, Listed], fetch: Fetch) -> None:
    for name in entry.tags.keys() - wanted.keys():  # an erased trace's wraps
        (entry.folder / name).unlink()
        del entry.tags[name]
    for name, listed in wanted.items():
        if entry.tags.get(name) == listed.tag:
            continue
        part = entry.folder / f".{name}.part"
        part.unlink(missing_ok=True)
        fetch(listed.key, part)
        part.rename(entry.folder / name)
        entry.tags[name] = listed.tag
    entry.size = sum(listed.size for listed in wanted.values())


def _remove_dead(folder: Path) -> None:
    try:
        held = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # just made, or no folder of ours
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(held)


def _give_up(folder: Path, held: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)
