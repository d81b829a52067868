"""What a gateway tells of itself."""

from collections import Counter as Tally
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from typing_extensions import override

from admin_api.health import Standing
from ecluse.clocks import ClockWatch
from ecluse.observation.metrics import QUICK, ProcessMetrics
from ecluse.observation.readiness import Readings, believed
from gateway.server.listener import Gateway
from gateway.session.reasons import EndReason
from policy.domain.access import Denial, Grant
from policy.domain.interventions import InterventionKind
from recorder.audit.events import SecurityEvent
from recorder.capture.spool import Recorder

_OPENED: Final = "session.opened"
_CLOSED: Final = "session.closed"


class GatewayMetrics(ProcessMetrics):
    """Sessions, decisions, the spool and the store. One a process, on its loop."""

    def __init__(self, gateway: Gateway, recorder: Recorder, clock: ClockWatch) -> None:
        """Tell of *gateway* and *recorder*, which are read when somebody asks."""
        super().__init__("gateway", of_gateway(gateway, recorder, clock), clock)
        self._gateway = gateway
        self._recorder = recorder
        registry = self.registry
        self._sessions = Gauge(
            "ecluse_sessions",
            "Sessions that are open, opening or ending, by kind of intervention.",
            ("kind",),
            registry=registry,
        )
        self._connections = Gauge("ecluse_connections", "Client connections.", registry=registry)
        self._opened = Counter("ecluse_sessions_opened", "Sessions that were opened.", registry=registry)
        self._ended = Counter(
            "ecluse_sessions_ended",
            "Sessions that ended, by reason: cut, window, idle, left…",
            ("reason",),
            registry=registry,
        )
        for reason in EndReason:
            self._ended.labels(reason.value)
        self._decisions = Counter(
            "ecluse_decisions",
            "Answers to who asked for a device: granted or denied.",
            ("decision",),
            registry=registry,
        )
        for word in ("granted", "denied"):
            self._decisions.labels(word)
        self._findings = Counter(
            "ecluse_findings",
            "Rules that did not hold, in denials: several count each.",
            ("rule", "finding"),
            registry=registry,
        )
        self._decision_seconds = Histogram(
            "ecluse_decision_seconds", "How long a decision took.", buckets=QUICK, registry=registry
        )
        self._pending = Gauge(
            "ecluse_recorder_pending_bytes",
            "Bytes of live sessions that are recorded and not yet on the disk.",
            registry=registry,
        )
        self._spool = Gauge(
            "ecluse_spool_bytes", "Bytes in the spool that the trace store has not.", registry=registry
        )
        self._quota = Gauge("ecluse_spool_quota_bytes", "How many of them there may be.", registry=registry)
        self._reachable = Gauge(
            "ecluse_store_reachable", "Whether the trace store takes what it is given.", registry=registry
        )
        self._away = Gauge(
            "ecluse_store_unreachable_seconds",
            "For how long it has taken nothing; 0 while it does.",
            registry=registry,
        )
        self._lag_bytes = Gauge(
            "ecluse_store_lag_bytes", "Bytes of live traces that the store has not.", registry=registry
        )
        self._lag_seconds = Gauge(
            "ecluse_store_lag_seconds", "For how long the oldest of them have waited.", registry=registry
        )

    def decided(self, decision: Grant | Denial, seconds: float) -> None:
        """Count a decision that took *seconds*."""
        self._decision_seconds.observe(seconds)
        if isinstance(decision, Denial):
            self._decisions.labels("denied").inc()
            for finding in decision.failed:
                self._findings.labels(finding.code, finding.key).inc()
        else:
            self._decisions.labels("granted").inc()

    @override
    def kept(self, event: SecurityEvent, seconds: float) -> None:
        """Count an entry of the journal, and what it tells of."""
        super().kept(event, seconds)
        if event.name == _OPENED:
            self._opened.inc()
        elif event.name == _CLOSED:
            self._ended.labels(str(event.details.get("reason"))).inc()

    @override
    async def refresh(self) -> None:
        """Bring up to date what must be asked for."""
        await super().refresh()
        kinds = Tally(session.grant.kind for session in self._gateway.live_sessions)
        for kind in InterventionKind:
            self._sessions.labels(kind.value).set(kinds[kind])
        self._connections.set(self._gateway.connections)
        self._pending.set(
            sum(each.recording.pending_bytes for each in self._gateway.live_sessions if each.recorded)
        )
        state = self._recorder.state()
        self._spool.set(state.spool_bytes)
        self._quota.set(state.spool_quota)
        self._reachable.set(state.unreachable_since is None)
        self._away.set(_seconds_since(state.unreachable_since))
        self._lag_bytes.set(state.lag_bytes)
        self._lag_seconds.set(state.lag_seconds)


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
    return Readings({**checks, "clock": believed(clock)})


def _seconds_since(instant: datetime | None) -> float:
    return 0.0 if instant is None else max(0.0, (datetime.now(UTC) - instant).total_seconds())
