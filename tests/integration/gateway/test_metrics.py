"""What a gateway counts of real log-ins, decisions and sessions, and that nobody's name is among it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from admin_api.health import Standing
from ecluse.clocks import ClockWatch
from ecluse.observation.gateway import GatewayMetrics, of_gateway
from ecluse.observation.metrics import ObservedJournal
from gateway.server.listener import Gateway
from tests.support.bastion import NODE, Bastion, make_gateway, running_bastion
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
LABELS = ("alice", "scan01", "maint", "127.0.0.1", "nothing")
"""Who and what takes part: none of it may stand in a metric."""


async def watched(bastion: Bastion) -> tuple[Gateway, GatewayMetrics]:
    """Replace the gateway by one whose journal and decisions are counted, as the process does it."""
    old, port = bastion.gateway, bastion.gateway.port
    await old.stop()
    journal = ObservedJournal(bastion.recorder.database, node=NODE, now=bastion.clock.now)
    bastion.journal = journal
    gateway = make_gateway(bastion, replace(old.settings, port=port))
    clock = ClockWatch(
        NODE, bastion.world.services.database, bastion.clock, timedelta(seconds=5), lambda *_: None
    )
    metrics = journal.metrics = GatewayMetrics(gateway, bastion.recorder, clock)
    gateway.on_decision = metrics.decided
    bastion.gateway = gateway
    await gateway.start()
    return gateway, metrics


async def test_sessions_log_ins_and_decisions_are_counted_without_a_name(tmp_path: Path) -> None:
    """One session, one device refused and one wrong password: each is counted once, and the session while it lasts."""
    async with running_bastion(tmp_path) as bastion:
        gateway, metrics = await watched(bastion)

        async def told(name: str, **labels: str) -> float | None:
            await metrics.refresh()
            return metrics.registry.get_sample_value(name, labels)

        assert (await metrics.readings()).checks["accepting"] is Standing.GOOD
        session = asyncio.ensure_future(
            bastion.client.ssh("alice+scan01", "read line; echo $line", answers=bastion.answers())
        )
        await eventually(lambda: gateway.sessions == 1)
        await eventually(lambda: gateway.live_sessions[0].opened)
        assert await told("ecluse_sessions", kind="remote_maintenance") == 1
        assert await told("ecluse_sessions", kind="remote_assistance") == 0
        assert await told("ecluse_connections") == 1
        session.cancel()
        refused = await bastion.client.ssh("alice+nothing", "id", answers=bastion.answers())
        assert refused.rc == 1
        await bastion.client.ssh("alice+scan01", "id", answers=["wrong", "000000"] * 3)
        await bastion.closed()
        assert await told("ecluse_sessions_opened_total") == 1
        assert await told("ecluse_sessions", kind="remote_maintenance") == 0
        assert await told("ecluse_logins_total", result="succeeded") == 2
        assert (await told("ecluse_logins_total", result="failed") or 0) >= 1
        assert await told("ecluse_decisions_total", decision="granted") == 1
        assert await told("ecluse_decisions_total", decision="denied") == 1
        assert await told("ecluse_decision_seconds_count") == 2
        assert (await told("ecluse_journal_appends_total") or 0) >= 5
        text = generate_latest(metrics.registry).decode()
        assert "ecluse_findings_total{" in text
        assert [name for name in LABELS if f'"{name}"' in text] == []
        await gateway.drain()
        leaving = await of_gateway(gateway, bastion.recorder, metrics.clock)()
        assert (leaving.checks["accepting"], leaving.standing) == (Standing.FAILED, Standing.FAILED)
