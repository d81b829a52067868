"""The inventory of a bucket: every version of every object at one instant, to be held to what is there later.

A backup keeps the inventory and leaves the objects where they are. What lies under ``live`` grows and goes, and is in
none: its bytes are in the spool until they are in a segment.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from recorder.errors import TraceFormatError
from recorder.seal.wrapping import SUFFIX
from recorder.settings import BucketSettings
from recorder.store.bucket import Bucket, Kept
from recorder.store.folder import place_of
from recorder.trace.place import LIVE, MANIFEST, STUB
from recorder.trace.purge import PURGE

NAMED: Final = 200
"""So many of what is wrong are named; all are counted."""


@dataclass(slots=True)
class Faults:
    """Things of one kind that are wrong: how many, and the first of them by name."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.names) < NAMED:
            self.names.append(name)


@dataclass(slots=True)
class Comparison:
    """What became of an inventory.

    Attributes:
        versions: Versions that the inventory holds.
        same: Those that are there as they were.
        copied: Objects that are there under other versions with the same bytes as the server tells them: a replica.
        missing: Objects of which no version is there any more.
        changed: Objects that are read with other bytes, put over those that were there or in their place.
        hidden: Objects that are there, and that a mark of deletion hides from who reads.
        unreadable: Folders of traces that had wraps, and have none: erased since, by right or not.
        purged: Folders of traces whose content a purge record took since, as its signature bears out.
        expired: Objects that are gone and older than the retention.
        newer: Objects that came since.
    """

    versions: int = 0
    same: int = 0
    copied: int = 0
    missing: Faults = field(default_factory=Faults)
    changed: Faults = field(default_factory=Faults)
    hidden: Faults = field(default_factory=Faults)
    unreadable: Faults = field(default_factory=Faults)
    purged: int = 0
    expired: int = 0
    newer: int = 0

    @property
    def whole(self) -> bool:
        """Whether everything that has to be there is, and is read as it was."""
        return not (self.missing.count or self.changed.count or self.hidden.count)


def take(settings: BucketSettings) -> Iterator[Kept]:
    """List what is in the bucket, in the order of the keys, without the settings' prefix. Raises StoreUnavailable."""
    prefix = f"{settings.prefix}/" if settings.prefix else ""
    for each in Bucket(settings).kept(prefix):
        key = each.key.removeprefix(prefix)
        if not key.startswith(f"{LIVE}/"):
            yield Kept(key, each.version, each.size, each.tag, each.newest)


def line(one: Kept) -> str:
    """Write one version."""
    return json.dumps(astuple(one), separators=(",", ":"), ensure_ascii=False) + "\n"


def read(text: str) -> Kept:
    """Read one version again. Raises TraceFormatError."""
    try:
        key, version, size, tag, newest = json.loads(text)
        return Kept(str(key), str(version), int(size), str(tag), newest is True)
    except (ValueError, TypeError) as error:
        raise TraceFormatError("this is no line of an inventory") from error


def compare(
    before: Iterable[Kept],
    now: Iterable[Kept],
    *,
    at: datetime,
    retention: timedelta,
    signed: Callable[[str], bool],
) -> Comparison:
    """Hold the inventory *before* to what is there *now*, both in the order of their keys.

    Args:
        before: As it was taken.
        now: As it is.
        at: The instant of the comparison, aware UTC.
        retention: How long the bucket keeps what a trace consists of: what is older may be gone.
        signed: Tells of a trace's folder whether the purge record in it is one: whoever writes into the bucket may put a
            file of that name there, and it would excuse what was taken.
    """
    found, kept_since = Comparison(), at - retention - timedelta(days=1)
    old = ((each.key, False, each) for each in before)
    new = ((each.key, True, each) for each in now)
    # each trace's keys stand together in both, so that no more than one trace is held in memory
    merged = heapq.merge(old, new, key=lambda one: one[0])
    for folder, group in groupby(merged, lambda one: one[0].rpartition("/")[0]):
        was: dict[str, list[Kept]] = {}
        there: dict[str, list[Kept]] = {}
        for key, later, each in group:
            (there if later else was).setdefault(key, []).append(each)
        _Folder(folder, was, there, found, kept_since, signed).judge()
    return found


@dataclass(slots=True)
class _Folder:
    name: str
    was: dict[str, list[Kept]]
    there: dict[str, list[Kept]]
    found: Comparison
    kept_since: datetime
    signed: Callable[[str], bool]

    def judge(self) -> None:
        recorded = self._has(self.there, PURGE) and not self._has(self.was, PURGE)
        purged = recorded and self.signed(self.name)
        self.found.purged += purged
        self.found.newer += len(self.there.keys() - self.was.keys())
        for key, versions in self.was.items():
            self.found.versions += len(versions)
            if key.endswith(SUFFIX):
                self._wrap(key, versions)
            else:
                self._object(key, versions, purged=purged)
        if not purged and self._wrapped(self.was) and not self._wrapped(self.there) and self.there:
            self.found.unreadable.add(self.name)

    def _wrap(self, key: str, versions: list[Kept]) -> None:
        """Count a wrap: one is made anew or destroyed by right, and nothing locks it."""
        there = {each.version for each in self.there.get(key, ())}
        self.found.same += sum(each.version in there for each in versions)

    def _object(self, key: str, versions: list[Kept], *, purged: bool) -> None:
        there = self.there.get(key, [])
        known = {each.version for each in there}
        self.found.same += sum(each.version in known for each in versions)
        if not there:
            self._gone(key, purged=purged)
            return
        was, now = _newest(versions), _newest(there)
        if was is None:
            return  # it was hidden already
        if now is None:
            self.found.hidden.add(key)
        elif (now.size, now.tag) != (was.size, was.tag):
            self.found.changed.add(key)
        elif was.version not in known:
            self.found.copied += 1

    def _gone(self, key: str, *, purged: bool) -> None:
        if purged and key.rpartition("/")[2] not in STUB:
            return
        if self._over():
            self.found.expired += 1
        else:
            self.found.missing.add(key)

    def _over(self) -> bool:
        """Whether a trace's retention was over, by the day of its folder; never for what is no trace."""
        try:
            return place_of(self.name).opened_at < self.kept_since
        except TraceFormatError:
            return False

    def _has(self, objects: dict[str, list[Kept]], name: str) -> bool:
        return any(each.newest for each in objects.get(f"{self.name}/{name}", ()))

    def _wrapped(self, objects: dict[str, list[Kept]]) -> bool:
        return self._has(objects, MANIFEST) and any(key.endswith(SUFFIX) for key in objects)


def _newest(versions: Iterable[Kept]) -> Kept | None:
    return next((each for each in versions if each.newest), None)
