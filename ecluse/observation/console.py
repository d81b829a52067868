"""What a console tells of itself."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from time import perf_counter
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from admin_api.console.guard import is_page
from admin_api.evidence import OutboxIngest
from admin_api.health import LIVE, READY, Standing
from ecluse.clocks import ClockWatch
from ecluse.diagnosis.backups import MADE, REHEARSED, newest
from ecluse.observation.metrics import QUICK, ProcessMetrics
from ecluse.observation.readiness import Readings, believed
from ecluse.observation.tracing import Tracing, fail, say
from policy.domain.ids import HospitalId
from policy.errors import PolicyUnavailable
from policy.services import Services
from recorder.errors import RecorderError
from recorder.proof.notary import newest_at
from recorder.store.database import Database

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_NOT_KNOWN: Final = float("nan")

log = structlog.get_logger()


class ConsoleMetrics(ProcessMetrics):
    """Requests, and the queues that the console empties. One a process, on its loop."""

    def __init__(
        self,
        hospital_id: HospitalId,
        built: Services,
        database: Database,
        ingest: OutboxIngest,
        clock: ClockWatch,
        stopping: Callable[[], bool],
    ) -> None:
        """Tell of the hospital's queues, of *ingest* and of the process, which is *stopping* or not."""
        super().__init__("console", of_console(built, database, ingest, clock, stopping), clock)
        self._hospital_id = hospital_id
        self._built = built
        self._database = database
        self._ingest = ingest
        registry = self.registry
        self._requests = Counter(
            "ecluse_http_requests",
            "Requests answered, by part of the console, method and class of status.",
            ("area", "method", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "ecluse_http_request_seconds",
            "How long a request took until its answer began.",
            ("area",),
            buckets=QUICK,
            registry=registry,
        )
        self._waiting = Gauge(
            "ecluse_queue_waiting",
            "What waits: changes for the journal (outbox), mails, calls of the webhook, device tasks; NaN where unknown.",
            ("queue",),
            registry=registry,
        )
        self._backup = Gauge(
            "ecluse_backup_age_seconds",
            "Age of the newest backup, and of the newest rehearsal of a restoration; NaN where there is none.",
            ("step",),
            registry=registry,
        )
        self._checkpoint = Gauge(
            "ecluse_checkpoint_age_seconds",
            "Age of the newest signed checkpoint; NaN where there is none or nobody can tell.",
            registry=registry,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered with *status* after *seconds*."""
        part = area(scope)
        self._requests.labels(part, method(scope), f"{status // 100}xx").inc()
        self._request_seconds.labels(part).observe(seconds)

    @override
    async def refresh(self) -> None:
        """Bring up to date what must be asked for; what cannot be had is NaN."""
        await super().refresh()
        try:
            found = await self._built.queues.waiting(self._hospital_id)
        except PolicyUnavailable as error:
            log.warning("metrics.queues_unknown", error=str(error))
            depths = dict.fromkeys(("outbox", "mails", "calls", "tasks"), _NOT_KNOWN)
        else:
            behind = max(0, found.position - self._ingest.position)
            depths = {
                "outbox": behind,
                "mails": found.mails,
                "calls": found.calls,
                "tasks": found.tasks,
            }
        for queue, depth in depths.items():
            self._waiting.labels(queue).set(depth)
        self._checkpoint.set(await self._age(newest_at(self._database, self._hospital_id)))
        for step, name in (("made", MADE), ("rehearsed", REHEARSED)):
            age = await self._age(newest(self._database, self._hospital_id, name))
            self._backup.labels(step).set(age)

    async def _age(self, question: Awaitable[datetime | None]) -> float:
        try:
            at = await question
        except (RecorderError, SQLAlchemyError, OSError) as error:
            log.warning("metrics.age_unknown", error=type(error).__name__)
            return _NOT_KNOWN
        return _NOT_KNOWN if at is None else (self._built.clock.now() - at).total_seconds()


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
    return Readings({**checks, "clock": believed(clock)})


class Timed:
    """Tells *metrics* of each request (ASGI)."""

    def __init__(self, app: ASGIApp, *, metrics: ConsoleMetrics) -> None:
        """Wrap *app*."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(scope, int(message["status"]), perf_counter() - began)
            await send(message)

        await self._app(scope, receive, told)


class Traced:
    """An ASGI middleware: a span for each request, until its answer began. Which page or person it was is in none."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        """Watch *app*."""
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and watch."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        span = self._tracing.begin("http.request", words={"area": area(scope), "method": method(scope)})

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                say(span, status=int(message["status"]))
                span.end()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except BaseException as error:
            fail(span, error)
            raise
        finally:
            span.end()


def area(scope: Scope) -> str:
    """Return the part of the console that a request is for: pages, api or health."""
    path: str = scope["path"]
    if path in {LIVE, READY}:
        return "health"
    return "pages" if is_page(path) else "api"


def method(scope: Scope) -> str:
    """Return the method of a request, one of those that there are."""
    return str(scope["method"]) if scope["method"] in _METHODS else "other"
