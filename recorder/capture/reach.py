"""Whether the trace store answers, since when, and what the last refusal was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from recorder.errors import StoreUnavailable
from recorder.ports import Alarm, Now


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store does for this process.

    Attributes:
        reachable_since: Since when it takes what it is given, aware UTC; None while it does not, or nobody asked yet.
        unreachable_since: Since when it does not; None while it does, or nobody asked yet.
        error: Its last refusal, while it refuses.
        lag_bytes: Bytes of live traces that are in the spool and not in the store.
        lag_seconds: For how long the oldest of them have waited.
    """

    reachable_since: datetime | None
    unreachable_since: datetime | None
    error: StoreUnavailable | None
    lag_bytes: int
    lag_seconds: float


class Reach:
    """Told of each success and refusal, on the event loop; alarms once when the store stops serving.

    Args:
        node: Name of this gateway.
        now: Wall clock.
        alarm: Told ``alarm.store_down`` and ``alarm.store_back``.
    """

    def __init__(self, node: str, now: Now, alarm: Alarm) -> None:
        self._node = node
        self._now = now
        self._alarm = alarm
        self._reachable_since: datetime | None = None
        self._unreachable_since: datetime | None = None
        self._error: StoreUnavailable | None = None

    def served(self) -> None:
        """The store did what it was asked."""
        if self._unreachable_since is not None:
            since = self._unreachable_since
            self._alarm("alarm.store_back", {"node": self._node, "since": since.isoformat()})
        if self._reachable_since is None:
            self._reachable_since = self._now()
        self._unreachable_since = self._error = None

    def refused(self, error: StoreUnavailable) -> None:
        """The store did not."""
        first = self._unreachable_since is None
        self._reachable_since = None
        self._error = error
        if first:
            self._unreachable_since = self._now()
            self._alarm(
                "alarm.store_down", {"node": self._node, "kind": type(error).__name__, "error": str(error)}
            )

    def state(self, lag_bytes: int, lag_seconds: float) -> StoreState:
        """How it is now."""
        return StoreState(self._reachable_since, self._unreachable_since, self._error, lag_bytes, lag_seconds)
