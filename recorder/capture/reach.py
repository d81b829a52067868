"""Whether the trace store answers, since when, and what the last refusal was."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from recorder.capture.outage import Outage
from recorder.errors import CatalogRefuses, CatalogUnavailable, StoreUnavailable
from recorder.ports import Alarm, Now
from recorder.trace import instants

Unavailable = StoreUnavailable | CatalogUnavailable
_OF_CATALOGUE = {CatalogUnavailable.__name__, CatalogRefuses.__name__}

PROBE = "probe"
"""Asks by itself whether the store takes what it is given."""
CATALOGUE = "catalogue"
"""Asks whether the database of traces can be written."""

PATIENCE_SECONDS = 2.0
"""How long a refusal must last to be an outage: a server that is busy for a moment is none."""
STEADY_SECONDS = 10.0
"""How long the store must serve without a break to be back; doubled each time that it breaks off soon after."""
LONGEST_STEADY_SECONDS = 300.0
_SOON = 10
"""An outage within this many times the steady time after the last is the same trouble."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store does for this process.

    Attributes:
        reachable_since: Since when it takes what it is given, aware UTC; None while it does not, or nobody asked yet.
        unreachable_since: Since when it does not; None while it does, or nobody asked yet. It is back only once it
            has served for a while, so that one that comes and goes is not reached.
        error: Its last refusal, while it refuses.
        lag_bytes: Bytes of live traces that are in the spool and not in the store.
        lag_seconds: For how long the oldest of them have waited.
        silent_seconds: For how long, without a break, something has been refused; 0 while all is taken.
        spool_bytes: Bytes of all traces in the spool that are not in the store.
        spool_quota: How many there may be.
        catalogue_refuses: Whether the database of traces took nothing when it was last asked.
        of_catalogue: Whether it is that database that is unreachable, and not the store itself.
    """

    reachable_since: datetime | None
    unreachable_since: datetime | None
    error: Unavailable | None
    lag_bytes: int
    lag_seconds: float
    silent_seconds: float = 0.0
    spool_bytes: int = 0
    spool_quota: int = 0
    catalogue_refuses: bool = False
    of_catalogue: bool = False

    @property
    def spool_full(self) -> bool:
        """Whether no more may wait in the spool."""
        return 0 < self.spool_quota <= self.spool_bytes


@dataclass(slots=True)
class _Refusal:
    error: Unavailable
    since: float
    sure: bool  # said twice, or not at all for as long as patience lasts: no single answer that was lost


class Reach:
    """Told of each success and refusal, on the event loop, by who asked; from these it tells outages.

    Args:
        now: Wall clock.
        alarm: Told ``alarm.store_unreachable`` when an outage begins, and ``store.reachable`` when it ends.
        node: Name of this gateway.
        patience: Seconds that a refusal must last to be an outage.
        steady: Seconds that the store must serve to be back.
        monotonic: Seconds of a clock that never steps.

    Attributes:
        outage: The outage that goes on, or whose traces are still on their way.
    """

    def __init__(
        self,
        now: Now,
        alarm: Alarm,
        node: str = "",
        *,
        patience: float = PATIENCE_SECONDS,
        steady: float = STEADY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._alarm = alarm
        self._node = node
        self._monotonic = monotonic
        self._patience = patience
        self._steady = self._needed = steady
        self._refusals: dict[str, _Refusal] = {}
        self._reachable_since: datetime | None = None
        self._calm_since: float | None = None
        self._back_at: float | None = None
        self.outage: Outage | None = None

    @property
    def worth_trying(self) -> bool:
        """Whether the store answered when it was last asked; else who has something for it waits for the next asking."""
        return PROBE not in self._refusals

    @property
    def error(self) -> Unavailable | None:
        """The refusal that has lasted longest."""
        oldest = min(self._refusals.values(), key=lambda one: one.since, default=None)
        return None if oldest is None else oldest.error

    @property
    def refused_traces(self) -> set[str]:
        """Sessions whose traces were refused, and not taken since."""
        return self._refusals.keys() - {PROBE, CATALOGUE}

    def served(self, source: str) -> None:
        """The store did what *source* asked: a session's id, `PROBE` or `CATALOGUE`."""
        gone = self._refusals.pop(source, None)
        if self._refusals:
            return
        if gone is not None or self._calm_since is None:
            self._calm_since = self._monotonic()
        if self._reachable_since is None and (self.outage is None or self.outage.until is not None):
            self._reachable_since = self._now()

    def refused(self, error: Unavailable, source: str, began: float | None = None) -> None:
        """The store did not.

        Args:
            error: Why.
            source: Who asked.
            began: When, in seconds of the monotonic clock: waiting in vain is refusal too.
        """
        known = self._refusals.get(source)
        if known is not None:
            known.error = error
            known.sure = True
            return
        if not self._refusals and self.outage is not None and self._calm_since is not None:
            self.outage.relapses += 1
        self._calm_since = None
        now = self._monotonic()
        since = now if began is None else began
        self._refusals[source] = _Refusal(error, since, sure=now - since >= self._patience)

    def forget(self, kept: Collection[str]) -> None:
        """Forget refusals of traces that are none of these any more."""
        for source in self.refused_traces - set(kept):
            self.served(source)

    def resume(self, outage: Outage) -> None:
        """Go on with an outage that an earlier process began."""
        self.outage = outage

    def look(self, at: float, *, asking: bool = False) -> None:
        """Judge whether an outage begins or ends; to be called often.

        Args:
            at: Seconds of the monotonic clock.
            asking: Whether the store is being asked again: what it said once may have been one lost answer.
        """
        refused_for = self._refused_for(at, sure=asking)
        if refused_for >= self._patience and (self.outage is None or self.outage.until is not None):
            self._begin(at)
        elif (
            self.outage is not None
            and self.outage.until is None
            and self._calm_since is not None
            and at - self._calm_since >= self._needed
        ):
            self._end(at)

    def over(self) -> None:
        """All that waited is in the store."""
        self.outage = None

    def state(
        self, lag_bytes: int, lag_seconds: float, spool_bytes: int = 0, spool_quota: int = 0
    ) -> StoreState:
        """How it is now."""
        out = self.outage is not None and self.outage.until is None
        return StoreState(
            reachable_since=self._reachable_since,
            unreachable_since=self.outage.since if out and self.outage is not None else None,
            error=self.error,
            lag_bytes=lag_bytes,
            lag_seconds=lag_seconds,
            silent_seconds=max(0.0, self._refused_for(self._monotonic())),
            spool_bytes=spool_bytes,
            spool_quota=spool_quota,
            catalogue_refuses=CATALOGUE in self._refusals,
            of_catalogue=self._kind in _OF_CATALOGUE,
        )

    @property
    def _kind(self) -> str | None:
        """What refuses; where nothing has yet, what an earlier process met."""
        if self.error is not None:
            return type(self.error).__name__
        return None if self.outage is None else self.outage.kind

    def _refused_for(self, at: float, *, sure: bool = False) -> float:
        counted = (one for one in self._refusals.values() if one.sure or not sure)
        return max((at - one.since for one in counted), default=-1.0)

    def _begin(self, at: float) -> None:
        error = self.error
        kind, words = type(error).__name__, str(error)
        if self.outage is None:
            self.outage = Outage(self._now(), kind, words)
        else:  # what waited is not all there yet: one report for both
            self.outage.until = None
        soon = self._back_at is not None and at - self._back_at < _SOON * self._needed
        self._needed = min(2 * self._needed, LONGEST_STEADY_SECONDS) if soon else self._steady
        self._reachable_since = None
        since = instants.text(self.outage.since)
        facts = {"node": self._node, "since": since, "kind": kind, "error": words}
        self._alarm("alarm.store_unreachable", facts)

    def _end(self, at: float) -> None:
        if self.outage is None:
            return
        self._back_at = at
        self.outage.until = self._reachable_since = self._now()
        facts = {
            "node": self._node,
            "since": instants.text(self.outage.since),
            "until": instants.text(self.outage.until),
            "relapses": self.outage.relapses,
        }
        self._alarm("store.reachable", facts)
