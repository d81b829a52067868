"""The readers' keys of one console: which there are, which are locked, and until when others are not."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from recorder.errors import (
    ReaderKeyLockedOut,
    ReaderKeyRefused,
    ReaderKeyUnusable,
)
from recorder.ports import Now
from recorder.seal.files import read_private
from recorder.seal.passphrase import MARK
from recorder.seal.places import PUBLIC, RETIRED, TOKEN, ReaderPlaces, name_of
from recorder.seal.token import TokenKey, TokenPlace
from recorder.seal.wrapping import LockedKey, ReaderKey, ReaderPublicKey

TRIES: Final = 5
PAUSE: Final = timedelta(minutes=15)


class Guard(StrEnum):
    """What stands before a private half."""

    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 - a kind of guard, no secret
    TOKEN = "token"  # noqa: S105 - a kind of guard, no secret
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class ReaderState:
    """What is known of one reader's key.

    Attributes:
        name: As people call it: its file's name.
        key_id: Its identifier; empty where its public half is not at hand.
        guard: What stands before its private half.
        active: Whether traces are sealed for it.
        retired: Whether it was retired.
        opened: Whether it opens traces now.
        by: Who unlocked it.
        until: Until when it is unlocked.
    """

    name: str
    key_id: str
    guard: Guard
    active: bool
    retired: bool
    opened: bool
    by: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unlocked:
    """One unlocking: which key, by whom, until when."""

    name: str
    key: ReaderKey
    by: str
    until: datetime


@dataclass(slots=True)
class _Tries:
    wrong: int = 0
    not_before: datetime | None = None


@dataclass(slots=True)
class ReaderRing:
    """The keys by which this process opens traces.

    A key whose file is in the clear is always open. One behind a passphrase or in a token is locked when the process
    starts, and after the time for which a person unlocked it. The folder is looked at anew at each use. Methods block;
    they may be called from any thread.
    """

    places: ReaderPlaces
    now: Now
    _open: dict[str, Unlocked] = field(default_factory=dict)
    _tries: dict[str, _Tries] = field(default_factory=dict)
    _plain: dict[Path, tuple[tuple[int, int], ReaderKey]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def readers(self) -> list[ReaderKey]:
        """Every key that is here: first those that open traces now, then those that must be unlocked first.

        Raises:
            ReaderKeyUnusable: A file cannot be used.
        """
        opened: list[ReaderKey] = []
        locked: list[ReaderKey] = []
        for path in self.places.held():
            name, guard = name_of(path), guard_of(path)
            if guard is Guard.FILE:
                opened.append(self._read(path))
            elif (unlocked := self._unlocked(name)) is not None:
                opened.append(unlocked.key)
            else:
                locked.append(LockedKey(name, self._public(path)))
        return opened + locked

    def states(self) -> list[ReaderState]:
        """Every reader's key that is known here, by name.

        Raises:
            ReaderKeyUnusable: A file cannot be used.
        """
        active = {ReaderPublicKey.load(path).key_id: path for path in self.places.active()}
        retired = {ReaderPublicKey.load(path).key_id: path for path in self.places.retired()}
        found = {}
        for path in self.places.held():
            name, guard = name_of(path), guard_of(path)
            key_id = (self._read(path).public if guard is Guard.FILE else self._public(path)).key_id
            unlocked = self._unlocked(name)
            found[key_id] = ReaderState(
                name=name,
                key_id=key_id,
                guard=guard,
                active=key_id in active,
                retired=key_id in retired,
                opened=guard is Guard.FILE or unlocked is not None,
                by=unlocked.by if unlocked is not None else None,
                until=unlocked.until if unlocked is not None else None,
            )
        for key_id, path in {**retired, **active}.items():
            if key_id not in found:
                name = name_of(path)
                found[key_id] = ReaderState(
                    name, key_id, Guard.ELSEWHERE, key_id in active, key_id in retired, opened=False
                )
        return sorted(found.values(), key=lambda state: state.name)

    def targets(self) -> list[ReaderPublicKey]:
        """Those for whom traces are sealed. Raises ReaderKeyUnusable."""
        return [ReaderPublicKey.load(path) for path in self.places.active()]

    def unlock(self, name: str, secret: str, until: datetime, by: str) -> Unlocked:
        """Open a key until an instant, by its passphrase or its token's PIN.

        Args:
            name: The key's.
            secret: Passphrase or PIN.
            until: Aware UTC.
            by: Who does it.

        Raises:
            ReaderKeyUnusable: No such locked key is here, or it cannot be used.
            ReaderKeyRefused: The secret is not the one.
            ReaderKeyLockedOut: Too many were not the one; this one was not tried.
        """
        path = self.lockable(name)
        with self._lock:
            tries = self._tries.setdefault(name, _Tries())
            if tries.not_before is not None and self.now() < tries.not_before:
                raise ReaderKeyLockedOut(tries.not_before)
            self.lock(name)
            try:
                key = self._opened(name, path, secret)
            except ReaderKeyRefused as error:
                tries.wrong += 1
                if tries.wrong >= TRIES:
                    tries.wrong, tries.not_before = 0, self.now() + PAUSE
                    raise ReaderKeyLockedOut(tries.not_before) from error
                raise
            del self._tries[name]
            self._open[name] = Unlocked(name, key, by, until)
            return self._open[name]

    def lock(self, name: str) -> Unlocked | None:
        """Forget a key; what it was unlocked as, None where it was locked."""
        with self._lock:
            found = self._open.pop(name, None)
            if found is not None and isinstance(found.key, TokenKey):
                found.key.close()
            return found

    def expired(self) -> list[Unlocked]:
        """Lock the keys whose time is over, and return them."""
        with self._lock:
            over = [one.name for one in self._open.values() if one.until <= self.now()]
            return [found for name in over if (found := self.lock(name)) is not None]

    def unlocked(self) -> list[Unlocked]:
        """What is unlocked, overdue ones too."""
        with self._lock:
            return list(self._open.values())

    def lockable(self, name: str) -> Path:
        """The file of a key that a person unlocks. Raises ReaderKeyUnusable where there is none of that name."""
        for path in self.places.held():
            if name_of(path) == name:
                if guard_of(path) is Guard.FILE:
                    raise ReaderKeyUnusable(f"the key {name} has no passphrase: it is always open")
                return path
        raise ReaderKeyUnusable(f"no private half of a key {name} is here")

    def _opened(self, name: str, path: Path, secret: str) -> ReaderKey:
        if guard_of(path) is Guard.TOKEN:
            return TokenKey(name, TokenPlace.load(path), self._public(path), secret)
        return ReaderKey.load(path, secret)

    def _unlocked(self, name: str) -> Unlocked | None:
        with self._lock:
            found = self._open.get(name)
            return found if found is not None and self.now() < found.until else None

    def _read(self, path: Path) -> ReaderKey:
        """A key in the clear, read again where its file is another one."""
        try:
            status = path.stat()
        except OSError as error:
            raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
        mark = (status.st_mtime_ns, status.st_ino)
        with self._lock:
            known = self._plain.get(path)
            if known is None or known[0] != mark:
                known = self._plain[path] = (mark, ReaderKey.load(path))
            return known[1]

    def _public(self, path: Path) -> ReaderPublicKey:
        name = name_of(path)
        halves = [path.with_name(f"{name}{suffix}") for suffix in (PUBLIC, RETIRED)]
        for half in halves:
            if half.exists():
                return ReaderPublicKey.load(half)
        raise ReaderKeyUnusable(f"the public half {halves[0]} of a locked key is missing")


def guard_of(path: Path) -> Guard:
    """What stands before the private half in this file.

    Raises:
        ReaderKeyUnusable: It cannot be read, or is open to others.
    """
    if path.name.endswith(TOKEN):
        return Guard.TOKEN
    try:
        return Guard.PASSPHRASE if read_private(path).startswith(MARK) else Guard.FILE
    except (OSError, ValueError) as error:
        raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
