"""What a gateway's spans tell a real collector of real log-ins and sessions, and that no collector holds anybody up."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

from ecluse.demo.ports import free_port
from ecluse.errors import StartError
from ecluse.observation import tracing as spans
from ecluse.observation.traced import GatewayTraces
from ecluse.observation.tracing import Tracing, TracingSettings
from policy.clock import SystemClock
from recorder.errors import StoreUnreachable
from recorder.store.folder import FolderStore
from recorder.trace.place import TracePlace
from tests.support.bastion import Bastion, running_bastion
from tests.support.collector import Collector, Seen, collector
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
NOBODY = ("alice", "Alice", "scan01", "maint", "127.0.0.1", "nothing", "Imagix", "secret")
"""Who and what takes part: none of it may stand in a span."""


def settings(endpoint: str, sample: float = 1.0) -> TracingSettings:
    """Return where spans go."""
    return TracingSettings(endpoint=endpoint, sample=sample, authority=None, program="gateway", node="node1")


@asynccontextmanager
async def traced(bastion: Bastion, tracing: Tracing) -> AsyncIterator[GatewayTraces]:
    """Replace the gateway by one whose questions are watched, as the process does it; send what is left at the end."""
    old, port = bastion.gateway, bastion.gateway.port
    await old.stop()
    traces, clock = GatewayTraces(tracing), bastion.clock
    bastion.gateway = traces.gateway(
        replace(old.settings, port=port),
        bastion.world.services,
        bastion.recorder,
        bastion.journal,
        clock,
        monotonic=lambda: clock.now().timestamp(),
        wall=SystemClock(),
    )
    await bastion.gateway.start()
    try:
        yield traces
    finally:
        await asyncio.to_thread(tracing.close)


def children(found: Collector, parent: Seen) -> list[str]:
    """Return the names of the spans below *parent*, in the order of their beginning."""
    below = [one for one in found.spans if one.span.parent_span_id == parent.span.span_id]
    return [one.name for one in sorted(below, key=lambda one: one.span.start_time_unix_nano)]


async def test_a_session_is_one_trace_from_the_decision_to_the_store(tmp_path: Path) -> None:
    """Decision, lease, trace, secret, device and segment stand below one span, under the session's own identifier."""
    with collector() as found:
        async with running_bastion(tmp_path) as bastion:
            async with traced(bastion, Tracing(settings(found.endpoint))) as traces:
                ended = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
                assert ended.stdout == b"in\n", ended.said
                await bastion.closed()
                [session_id] = bastion.sessions()
                header = bastion.header(session_id)
                segment = {"name": "trace-000001.ecl", "bytes": 1, "sha256": "0" * 64}
                store = traces.store(FolderStore(tmp_path / "store"))
                with pytest.raises(StoreUnreachable):
                    store.seal(TracePlace.of(header), segment, tmp_path / "not-there", 0)  # type: ignore[arg-type]  # as stored
            [root] = found.named("session.open")
            assert root.trace == session_id
            assert root.words == {"decision": "granted", "kind": "remote_maintenance"}
            assert children(found, root) == [
                "policy.decide", "policy.lease", "trace.open", "device.connect", "vault.release",
                "policy.release_lease", "store.seal",
            ]  # fmt: skip
            [sealed] = found.named("store.seal")
            assert (sealed.failed, sealed.words) == (True, {"bytes": 1, "error": "StoreUnreachable"})
            [login] = found.named("login")
            assert [link.trace_id for link in root.span.links] == [login.span.trace_id]
            [factor] = found.named("login.factor")
            assert factor.words == {"kind": "password and code", "result": "proved"}
            assert {one.service for one in found.spans} == {"ecluse-gateway"}


async def test_refusals_say_which_rules_and_of_nobody(tmp_path: Path) -> None:
    """A wrong code and a device that may not be reached are told by kinds and findings; no name stands in any byte."""
    with collector() as found:
        async with running_bastion(tmp_path) as bastion:
            async with traced(bastion, Tracing(settings(found.endpoint))):
                refused = await bastion.client.ssh("alice+nothing", "id", answers=bastion.answers())
                assert refused.rc == 1
                await bastion.client.ssh("alice+scan01", "id", answers=["wrong", "000000"] * 3)
                await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
                await bastion.closed()
            denied = next(one for one in found.named("policy.decide") if one.words["decision"] == "denied")
            assert "findings" in denied.words
            failed = [one.words for one in found.named("login.factor") if one.failed]
            assert {str(one["error"]) for one in failed} <= {"AuthenticationFailed", "LockedOut"}
            assert failed
        said = b"".join(found.bodies)
        people = (bastion.world.people["alice"].id, bastion.world.passwords["alice"].reveal())
        assert [one for one in (*NOBODY, *people) if one.encode() in said] == []


async def test_no_session_waits_for_a_collector_that_is_away(tmp_path: Path) -> None:
    """Nothing listens there: sessions open as before, what was to be sent is counted, and the end is not held up."""
    tracing = Tracing(settings(f"http://127.0.0.1:{free_port()}"))
    async with running_bastion(tmp_path) as bastion, traced(bastion, tracing):
        ended = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
        assert ended.stdout == b"in\n", ended.said
    assert tracing.dropped > 5


@pytest.mark.parametrize("drop", [False, True], ids=["a flood", "drop by drop"])
def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch, drop: bool) -> None:
    """A collector that answers for ever fills no memory and holds up no later batch: what it was sent counts as dropped."""
    monkeypatch.setattr(spans, "EXPORT_SECONDS", 0.5)
    monkeypatch.setattr(spans, "GATHER_SECONDS", 0.0)
    sent = 0

    def answer(listening: socket.socket) -> None:
        nonlocal sent
        with suppress(OSError):
            taken, _ = listening.accept()
            with taken:
                taken.recv(1 << 20)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                while sent < 100_000_000:
                    sent += taken.send(b"x" if drop else bytes(1 << 16))
                    if drop:
                        time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        tracing = Tracing(settings(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        tracing.begin("login").end()
        thread.join(60)
        assert not thread.is_alive()
        tracing.close()
    assert tracing.dropped == 1
    assert sent < 50_000_000


class Stuck(SpanExporter):
    """A collector that takes a batch and never answers."""

    def __init__(self) -> None:
        """Hold back whatever comes."""
        self.entered = False
        self.leave = threading.Event()

    @override
    def export(self, spans: object) -> SpanExportResult:
        """Come back when the test is over."""
        self.entered = True
        self.leave.wait(30)
        return SpanExportResult.FAILURE

    @override
    def shutdown(self) -> None:
        """Do nothing."""


async def test_what_has_no_place_in_the_queue_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a collector hangs, spans beyond the queue are counted as dropped, and ending one takes no time."""
    monkeypatch.setattr(spans, "QUEUE", 8)
    monkeypatch.setattr(spans, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(spans, "LEAVE_SECONDS", 0.0)
    stuck = Stuck()
    tracing = Tracing(settings("http://127.0.0.1:1"), stuck)
    tracing.begin("login").end()
    await eventually(lambda: stuck.entered)
    for _ in range(20):
        tracing.begin("login").end()
    assert tracing.dropped == 12
    tracing.close()
    assert tracing.dropped == 21
    stuck.leave.set()


class Kept(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spans: list[ReadableSpan] = []

    @override
    def export(self, spans: object) -> SpanExportResult:
        """Keep them."""
        self.spans += spans  # type: ignore[arg-type]  # a sequence of spans
        return SpanExportResult.SUCCESS

    @override
    def shutdown(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("sample", "least", "most"), [(0.0, 0, 0), (0.5, 300, 700), (1.0, 1000, 1000)])
def test_a_share_of_the_traces_is_sent_each_whole_or_not_at_all(sample: float, least: int, most: int) -> None:
    """A trace is chosen by its identifier: what belongs to a session is sent by every process, or by none."""
    kept = Kept()
    tracing = Tracing(settings("http://127.0.0.1:1", sample), kept)
    for number in range(1000):
        root = tracing.begin(
            "session.open", trace=f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" if number else None
        )
        tracing.begin("policy.decide", parent=root.get_span_context()).end()
        root.end()
    tracing.close()
    traces = [one.context.trace_id for one in kept.spans if one.context is not None]
    assert least <= len(set(traces)) <= most
    assert len(traces) == 2 * len(set(traces))


def test_a_missing_library_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the setting is there and the library is not, the program does not start, and says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartError) as refused:
        Tracing(settings("http://127.0.0.1:1"))
    assert "ecluse[otel]" in refused.value.said("en")
