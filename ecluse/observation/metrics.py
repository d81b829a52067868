"""The metrics of a process. Their labels are words of the program's own: no person, no device, no address."""

from importlib.metadata import version
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from typing_extensions import override

from admin_api.health import Readiness, Standing
from ecluse.clocks import ClockWatch
from ecluse.observation.readiness import Readings
from ecluse.observation.tracing import Tracing
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.errors import JournalBroken

QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: bounds of the buckets of what should take milliseconds."""
_LOGIN: Final = "authentication."
_ALARM: Final = "alarm."
_RESULTS: Final = ("succeeded", "failed", "locked", "busy")


class ProcessMetrics:
    """What gateway and console tell alike. ``registry`` holds all of it; ``refresh`` it before it is read."""

    def __init__(self, program: str, readings: Readings, clock: ClockWatch) -> None:
        """Begin to count for the process *program*."""
        self.registry = registry = CollectorRegistry()
        self.readings = readings
        self.clock = clock
        self.tracing: Tracing | None = None
        self._dropped = Gauge(
            "ecluse_spans_dropped",
            "Spans since the start that no collector has: the queue was full, or it took none.",
            registry=registry,
        )
        ProcessCollector(registry=registry)
        Info("ecluse_build", "The version that runs.", registry=registry).info(
            {"version": version("ecluse"), "program": program}
        )
        self._ready = Gauge(
            "ecluse_ready",
            "Whether new work may be sent here: 1, or 0 where /readyz is 503.",
            registry=registry,
        )
        self._checks = Gauge(
            "ecluse_check",
            "How a thing is that the process needs: 1 for its standing, 0 for the others.",
            ("check", "standing"),
            registry=registry,
        )
        self._drift = Gauge(
            "ecluse_clock_drift_seconds",
            "How far this clock is ahead of the database server's; NaN where there is none to compare with.",
            registry=registry,
        )
        self._logins = Counter(
            "ecluse_logins", "Log-ins at this process's door, by result.", ("result",), registry=registry
        )
        for result in _RESULTS:
            self._logins.labels(result)
        self._alarms = Counter(
            "ecluse_alarms", "Alarms that this process raised, by kind.", ("alarm",), registry=registry
        )
        self._appends = Counter("ecluse_journal_appends", "Entries that the journal took.", registry=registry)
        self._refusals = Counter(
            "ecluse_journal_refusals", "Entries that the journal did not take.", registry=registry
        )
        self._append_seconds = Histogram(
            "ecluse_journal_append_seconds",
            "How long an entry took to be on the platter.",
            buckets=QUICK,
            registry=registry,
        )

    async def refresh(self) -> None:
        """Bring up to date what must be asked for."""
        self._tell(await self.readings())
        drift = self.clock.drift
        self._drift.set(float("nan") if drift is None else drift.total_seconds())
        self._dropped.set(0 if self.tracing is None else self.tracing.dropped)

    def kept(self, event: SecurityEvent, seconds: float) -> None:
        """Count an entry of the journal, and what it tells of."""
        self._appends.inc()
        self._append_seconds.observe(seconds)
        if event.name.startswith(_LOGIN):
            self._logins.labels(event.name.removeprefix(_LOGIN)).inc()
        elif event.name.startswith(_ALARM):
            self._alarms.labels(event.name.removeprefix(_ALARM)).inc()

    def refused(self) -> None:
        """Count an entry that the journal did not take."""
        self._refusals.inc()

    def _tell(self, found: Readiness) -> None:
        self._ready.set(found.standing is not Standing.FAILED)
        for name, standing in found.checks.items():
            for each in Standing:
                self._checks.labels(name, each.value).set(each is standing)


class ObservedJournal(Journal):
    """The journal, which tells ``metrics`` of each entry that this process writes; what is ingested is not its own."""

    metrics: ProcessMetrics | None = None

    @override
    async def append(self, event: SecurityEvent) -> None:
        """Add an event. Raises JournalBroken."""
        began = perf_counter()
        try:
            await super().append(event)
        except JournalBroken:
            if self.metrics is not None:
                self.metrics.refused()
            raise
        if self.metrics is not None:
            self.metrics.kept(event, perf_counter() - began)
