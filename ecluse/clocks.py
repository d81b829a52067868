"""Whether this machine's clock can be believed: it goes on as time does, and agrees with the database server's."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from ecluse.offsets import ask
from policy.clock import Clock
from policy.errors import PolicyUnavailable
from policy.store.database import Database

log = structlog.get_logger()

INTERVAL: Final = timedelta(minutes=1)
_SERVER: Final = "PostgreSQL"
Raise = Callable[[str, dict[str, Any]], None]


def elapsed() -> float:
    """Return seconds that nobody can set, and that go on while a machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """Raises ``alarm.clock_stepped`` when the clock was set, ``alarm.clock_drift`` and ``alarm.clock_right``.

    Each process compares its clock with the database server's, and so all with each other. Where the databases are
    files, there is no second clock to compare with: only steps are seen.
    """

    def __init__(
        self,
        node: str,
        database: Database,
        clock: Clock,
        bound: timedelta,
        raise_: Raise,
        *,
        ticks: Callable[[], float] = elapsed,
    ) -> None:
        """Allow *bound* between clocks, and in a step."""
        self._node = node
        self._database = database
        self._clock = clock
        self._bound = bound
        self._raise = raise_
        self._ticks = ticks
        self._last: tuple[datetime, float] | None = None
        self._wrong = False
        self.drift: timedelta | None = None
        """How far this clock was ahead of the database server's when they were last compared; None where never."""

    @property
    def believable(self) -> bool:
        """Whether the last comparison, if there was one, found no more than is allowed."""
        return not self._wrong

    async def run(self) -> None:
        """Look once a minute until cancelled."""
        while True:
            try:
                await self.look()
            except PolicyUnavailable as error:
                log.warning("clock.not_compared", error=str(error))
            await asyncio.sleep(INTERVAL.total_seconds())

    async def look(self) -> None:
        """Look once. Raises PolicyUnavailable."""
        self._step()
        found = await ask(self._database.server_time, self._clock, self._bound)
        if found is None or found.unsure(self._bound):
            return  # answers that come so late say nothing about who is wrong
        self.drift = drift = found.likeliest
        wrong = found.beyond(self._bound)
        if wrong != self._wrong:
            facts = {"node": self._node, "seconds": round(drift.total_seconds(), 1), "against": _SERVER}
            self._raise("alarm.clock_drift" if wrong else "alarm.clock_right", facts)
        self._wrong = wrong

    def _step(self) -> None:
        now, ticks = self._clock.now(), self._ticks()
        if self._last is not None:
            before, then = self._last
            jump = now - before - timedelta(seconds=ticks - then)
            if abs(jump) > self._bound:
                facts = {"node": self._node, "seconds": round(jump.total_seconds(), 1)}
                self._raise("alarm.clock_stepped", {**facts, "before": before.isoformat()})
        self._last = (now, ticks)
