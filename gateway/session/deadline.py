"""When a session must end, whatever becomes of the machine's clock. Instants in seconds never step."""

from datetime import datetime, timedelta


class Deadline:
    """Counts down to a hard end by the wall clock, and never slower than time passes.

    A wall clock that steps back gives nobody more time; one that steps forward takes the time away.
    """

    def __init__(self, end: datetime, now: datetime, instant: float) -> None:
        """Count from *instant*, at which it was *now*, to *end* (aware UTC, both)."""
        self._end = end
        self._until = instant + (end - now).total_seconds()

    def remaining(self, end: datetime, now: datetime, instant: float) -> timedelta:
        """Return what is left at *instant*, zero or less when it is over; *end* may have moved meanwhile."""
        self._until += (end - self._end).total_seconds()
        self._end = end
        left = end - now
        self._until = min(self._until, instant + left.total_seconds())
        return min(left, timedelta(seconds=self._until - instant))
