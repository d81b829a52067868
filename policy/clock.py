"""The clock port: the only way product code asks what time it is."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """The official fake: stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        """Start at the aware instant *at*; raises ValueError for a naive one."""
        self._at = _utc(at)

    def now(self) -> datetime:
        """Return the instant the clock stands at."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move the clock by *by* (which may be negative: clocks do step back)."""
        self._at += by

    def set(self, at: datetime) -> None:
        """Move the clock to the aware instant *at*; raises ValueError for a naive one."""
        self._at = _utc(at)


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a clock needs an aware instant")
    return at.astimezone(UTC)
