"""Spans of what a process does, sent to a collector by OTLP over HTTP. Their words are the program's own: no person, no device.

Off unless `tracing.endpoint` is set; the library is loaded only then. Nobody waits for a collector: spans go into a queue that a
thread empties, and what has no place there, or is not taken, is dropped and counted (ADR 55).
"""

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from typing_extensions import override

from ecluse.errors import StartError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext

QUEUE: Final = 2048
"""Spans that wait at most: some hundred log-ins with their sessions."""
BATCH: Final = 256
GATHER_SECONDS: Final = 1.0
EXPORT_SECONDS: Final = 5.0
_TAKEN: Final = "SUCCESS"
_MOST_ANSWER: Final = 64 << 10
"""Bytes of a collector's answer; one has some tens."""
LEAVE_SECONDS: Final = 2.0
"""How long the last spans may take when the process ends."""

Words = str | int | float | bool | Sequence[str]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingSettings:
    """Where spans go: the collector's ``endpoint``, how many of a hundred traces (``sample`` of 1), and whose CA it has."""

    endpoint: str
    sample: float
    authority: Path | None
    program: str
    node: str


class Tracing:
    """One a process. ``dropped`` counts the spans that no collector has."""

    def __init__(self, settings: TracingSettings, exporter: "SpanExporter | None" = None) -> None:
        """Begin; *exporter* stands in for the one of the settings. Raises StartError where the library is not there."""
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
            from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
        except ImportError as error:
            raise StartError("start.no_tracing_library", why=str(error)) from error

        wanted = threading.local()

        class Ids(RandomIdGenerator):
            """Gives a session's own identifier to its trace, so that every process calls it the same."""

            @override
            def generate_trace_id(self) -> int:
                asked: int | None = getattr(wanted, "trace", None)
                return asked or super().generate_trace_id()

        self._wanted = wanted
        self._outlet = _Outlet(exporter or _exporter(settings))
        provider = TracerProvider(
            sampler=TraceIdRatioBased(settings.sample),
            resource=Resource(
                {
                    "service.name": f"ecluse-{settings.program}",
                    "service.instance.id": settings.node,
                    "service.version": version("ecluse"),
                }
            ),
            shutdown_on_exit=False,
            id_generator=Ids(),
        )
        provider.add_span_processor(cast("SpanProcessor", self._outlet))
        self._tracer = provider.get_tracer("ecluse")

    @property
    def dropped(self) -> int:
        """How many spans were dropped since the start: the queue was full, or the collector took none."""
        return self._outlet.dropped

    def begin(
        self,
        name: str,
        *,
        trace: str | None = None,
        parent: "SpanContext | None" = None,
        at: int | None = None,
        links: Sequence["SpanContext"] = (),
        words: Mapping[str, Words] | None = None,
    ) -> "Span":
        """Begin a span, below *parent*, or the first of the trace whose identifier is *trace* (32 hexadecimal digits).

        *at* is when, nanoseconds since 1970, unset: now; *words* what it says. End it by its own ``end``.
        """
        from opentelemetry.context import Context
        from opentelemetry.trace import Link, NonRecordingSpan, set_span_in_context

        around = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        self._wanted.trace = None if trace is None else int(trace, 16)
        try:
            return self._tracer.start_span(
                name,
                context=around,
                start_time=at,
                links=[Link(one) for one in links],
                attributes={f"ecluse.{key}": value for key, value in (words or {}).items()},
            )
        finally:
            self._wanted.trace = None

    def close(self) -> None:
        """Send what waits, for LEAVE_SECONDS at most; what is left then is dropped."""
        self._outlet.close()


def say(span: "Span", **words: Words) -> None:
    """Add *words* to a span."""
    for key, value in words.items():
        span.set_attribute(f"ecluse.{key}", value)


def fail(span: "Span", error: BaseException) -> None:
    """Say that what *span* tells of failed, by the kind of *error*: its text may name somebody."""
    from opentelemetry.trace import Status, StatusCode

    say(span, error=type(error).__name__)
    span.set_status(Status(StatusCode.ERROR))


def _exporter(settings: TracingSettings) -> "SpanExporter":
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # its own lines would repeat every batch for as long as a collector is away: told once below
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    class Session(requests.Session):
        """One whose answers are read to a bound: a collector must not fill the memory of a gateway."""

        @override
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            response = super().send(request, **{**kwargs, "stream": True})
            end, taken = monotonic() + EXPORT_SECONDS, bytearray()
            with response:
                # as it came, for what it unpacks to has no bound either
                while piece := response.raw.read1(_MOST_ANSWER, decode_content=False):
                    taken += piece
                    if len(taken) > _MOST_ANSWER or monotonic() > end:
                        raise requests.exceptions.ContentDecodingError("the collector's answer has no end")
            response._content = bytes(taken)  # noqa: SLF001 - what requests itself fills when it reads
            return response

    session = Session()
    session.trust_env = False  # reached directly, whatever the environment says
    return OTLPSpanExporter(
        endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces",
        certificate_file=None if settings.authority is None else str(settings.authority),
        headers={},
        timeout=EXPORT_SECONDS,
        session=session,
    )


class _Outlet:
    """The library's processor of spans: ours counts what it drops, and its end is bounded."""

    def __init__(self, exporter: "SpanExporter") -> None:
        self.dropped = 0
        self._exporter = exporter
        self._waiting: queue.Queue[ReadableSpan | None] = queue.Queue(QUEUE)
        self._away = False
        self._sending = 0
        self._thread = threading.Thread(target=self._send, name="tracing", daemon=True)
        self._thread.start()

    def on_start(self, span: object, parent_context: object = None) -> None:
        """Do nothing."""

    def _on_ending(self, span: object) -> None:
        """Do nothing."""

    def on_end(self, span: "ReadableSpan") -> None:
        """Queue an ended span, or drop it; never blocks."""
        try:
            self._waiting.put_nowait(span)
        except queue.Full:
            self.dropped += 1

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002 - the library's form
        """Do nothing: nobody waits for a collector."""
        return True

    def shutdown(self) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """Send what waits, within bounds."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(LEAVE_SECONDS)
        if self._thread.is_alive():  # it ends with the process
            self.dropped += self._sending + self._waiting.qsize()

    def _send(self) -> None:
        over = False
        while not over:
            batch, over = self._gathered()
            if batch:
                self._export(batch)
        self._exporter.shutdown()

    def _gathered(self) -> "tuple[list[ReadableSpan], bool]":
        batch: list[ReadableSpan] = []
        wait = None
        while len(batch) < BATCH:
            try:
                one = self._waiting.get(timeout=wait)
            except queue.Empty:
                break
            if one is None:
                return batch, True
            batch.append(one)
            wait = GATHER_SECONDS
        return batch, False

    def _export(self, batch: "list[ReadableSpan]") -> None:
        self._sending = len(batch)
        try:
            taken = self._exporter.export(batch).name == _TAKEN
        except Exception as error:  # whatever another's library raises, no session hears of it
            log.debug("tracing.export", error=type(error).__name__)
            taken = False
        self._sending = 0
        if not taken:
            self.dropped += len(batch)
        if taken is self._away:
            self._away = not taken
            (log.warning if self._away else log.info)("tracing.collector", taken=taken, dropped=self.dropped)
