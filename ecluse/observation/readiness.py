"""Whether a process can take new work: what it needs is asked about seldom, whoever asks however often."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from admin_api.evidence import OutboxIngest
from admin_api.health import Readiness, Standing
from ecluse.clocks import ClockWatch
from gateway.server.listener import Gateway
from policy.services import Services
from recorder.capture.spool import Recorder
from recorder.store.database import Database

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


def of_gateway(gateway: Gateway, recorder: Recorder, clock: ClockWatch) -> Readings:
    """Return what a gateway needs to take a log-in: policy, traces, the spool, the store, a clock, and not to be draining."""

    async def policy() -> Standing:
        return Standing.GOOD if gateway.policy_readable else Standing.FAILED

    async def traces() -> Standing:
        return Standing.FAILED if recorder.state().catalogue_refuses else Standing.GOOD

    async def spool() -> Standing:
        await recorder.check_writable()
        return Standing.FAILED if recorder.state().spool_full else Standing.GOOD

    async def store() -> Standing:
        # télésurveillance and téléassistance go on into the spool: nobody else would take them in better
        return Standing.GOOD if recorder.state().unreachable_since is None else Standing.DEGRADED

    async def accepting() -> Standing:
        return Standing.FAILED if gateway.draining else Standing.GOOD

    checks = {"policy": policy, "traces": traces, "spool": spool, "store": store, "accepting": accepting}
    return Readings({**checks, "clock": _clock(clock)})


def of_console(
    built: Services,
    database: Database,
    ingest: OutboxIngest,
    clock: ClockWatch,
    stopping: Callable[[], bool],
) -> Readings:
    """Return what a console needs to serve: both databases, the journal's ingestion, a clock, and not to be draining."""

    async def policy() -> Standing:
        await built.database.check()
        return Standing.GOOD

    async def traces() -> Standing:
        await database.check()
        return Standing.GOOD

    async def journal() -> Standing:
        return Standing.DEGRADED if ingest.failing else Standing.GOOD

    async def accepting() -> Standing:
        return Standing.FAILED if stopping() else Standing.GOOD

    checks = {"policy": policy, "traces": traces, "journal": journal, "accepting": accepting}
    return Readings({**checks, "clock": _clock(clock)})


def _clock(watch: ClockWatch) -> Check:
    async def believed() -> Standing:
        return Standing.GOOD if watch.believable else Standing.FAILED

    return believed
