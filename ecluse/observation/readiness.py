"""Whether a process can take new work: what it needs is asked about seldom, whoever asks however often."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from admin_api.health import Readiness, Standing
from ecluse.clocks import ClockWatch

FRESH_SECONDS: Final = 1.0
"""For so long an answer serves everybody who asks: a stranger's flood is no flood of questions to the databases."""
PATIENCE_SECONDS: Final = 3.0
"""How long one thing may take to answer before it counts as failed."""

Check = Callable[[], Awaitable[Standing]]


class Readings:
    """Asks each check, all at once, and keeps the answer for a moment. One question of a kind is open at most."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask *checks*, by name; one that raises has failed."""
        self._checks = checks
        self._fresh = fresh_seconds
        self._patience = patience_seconds
        self._monotonic = monotonic
        self._open: dict[str, asyncio.Task[Standing]] = {}
        self._looking: asyncio.Task[Readiness] | None = None
        self._known: tuple[Readiness, float] | None = None

    async def __call__(self) -> Readiness:
        """Return how everything is, at most ``fresh_seconds`` ago; never raises what a check raises."""
        if self._known is not None and self._monotonic() - self._known[1] < self._fresh:
            return self._known[0]
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        # who hangs up takes nobody else's answer away, and drops no question to a database half-way
        return await asyncio.shield(self._looking)

    async def _look(self) -> Readiness:
        for name, check in self._checks.items():
            asked = self._open.get(name)
            if asked is None or asked.done():
                self._open[name] = asyncio.ensure_future(check())
        await asyncio.wait(self._open.values(), timeout=self._patience)
        found = Readiness({name: _outcome(self._open[name]) for name in self._checks})
        self._known = (found, self._monotonic())
        return found


def _outcome(asked: "asyncio.Task[Standing]") -> Standing:
    if not asked.done() or asked.cancelled() or asked.exception() is not None:
        return Standing.FAILED
    return asked.result()


def believed(clock: ClockWatch) -> Check:
    """Return the check that *clock* has found this machine's time believable."""

    async def standing() -> Standing:
        return Standing.GOOD if clock.believable else Standing.FAILED

    return standing
