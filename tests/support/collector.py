"""A real collector of spans on loopback: takes OTLP over HTTP, and decodes it by OpenTelemetry's own definitions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.http_server import Answer, Asked, answering


@dataclass(frozen=True)
class Seen:
    """One span, and the name of the service that it came from."""

    service: str
    span: Span

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.span.name)

    @property
    def words(self) -> dict[str, object]:
        """What it says, by word."""
        return {
            one.key.removeprefix("ecluse."): getattr(one.value, one.value.WhichOneof("value"))
            for one in self.span.attributes
        }

    @property
    def trace(self) -> str:
        """Its trace."""
        return str(self.span.trace_id.hex())

    @property
    def failed(self) -> bool:
        """Whether it says that it failed."""
        return bool(self.span.status.code == Status.STATUS_CODE_ERROR)


@dataclass
class Collector:
    """What has arrived. ``refuses``: whether it answers that it takes nothing."""

    endpoint: str = ""
    refuses: bool = False
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Seen]:
        """Every span, as it came."""
        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                told = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [Seen(told["service.name"], span) for span in scope.spans]
        return found

    def named(self, name: str, service: str = "") -> list[Seen]:
        """Those of that *name*, of one *service* where it is given."""
        return [one for one in self.spans if one.name == name and service in {"", one.service}]


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one until the block ends."""
    kept = Collector()

    def answer(asked: Asked) -> Answer:
        if kept.refuses or asked.path != "/v1/traces":
            return Answer(status=400)
        kept.bodies.append(asked.body)
        told = ExportTraceServiceResponse().SerializeToString()
        return Answer(told, headers={"Content-Type": "application/x-protobuf"})

    with answering(answer) as port:
        kept.endpoint = f"http://127.0.0.1:{port}"
        yield kept
