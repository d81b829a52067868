"""How often one source may ask: a bounded memory of recent requests, in this process alone.

Invitations are 256 random bits and log-ins have their lock-out; this keeps a machine that guesses anyway from costing
more than it is worth.
"""

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from typing import Final

_SOURCES: Final = 10_000


class Pace:
    """At most *limit* events from one source in a *period*."""

    def __init__(self, limit: int, period: timedelta) -> None:
        """Remember nobody yet."""
        self._limit = limit
        self._period = period
        self._seen: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait(self, source: str, at: datetime) -> timedelta | None:
        """Return how long *source* has to wait at the aware instant *at*, None where it need not."""
        seen = self._seen.get(source)
        if seen is None:
            return None
        while seen and seen[0] <= at - self._period:
            seen.popleft()
        return seen[0] + self._period - at if len(seen) >= self._limit else None

    def count(self, source: str, at: datetime) -> None:
        """Count one event of *source* at *at*; of too many sources, the one heard of longest ago is forgotten."""
        seen = self._seen.setdefault(source, deque(maxlen=self._limit))
        seen.append(at)
        self._seen.move_to_end(source)
        while len(self._seen) > _SOURCES:
            self._seen.popitem(last=False)
