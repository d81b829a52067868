"""The trace store, or the database of traces, goes away under real sessions: who is warned, who ends, who may come in."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from policy.domain.interventions import InterventionKind
from recorder.store.database import migrate
from tests.support import postgres, s3
from tests.support.bastion import Bastion, running_bastion
from tests.support.ssh_client import Terminal
from tests.support.waiting import eventually
from tests.support.way_to_store import Way, way_to

pytestmark = pytest.mark.integration
SHORT: dict[str, Any] = {
    "patience_seconds": 0.3,
    "retry_seconds": 0.2,
    "probe_seconds": 0.3,
    "steady_seconds": 0.5,
    "write_timeout_seconds": 2.0,
}
GRACE = timedelta(seconds=6)
AWAY = "Le dépôt central des traces de l’établissement ne répond plus".encode()


@asynccontextmanager
async def shell(bastion: Bastion) -> AsyncIterator[Terminal]:
    """Alice's shell on the device, at its prompt."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        yield terminal


async def echoes(terminal: Terminal) -> None:
    """Hold that the device answers, whatever became of the store."""
    terminal.send(b"echo alive-$((40+2))\n")
    await terminal.expect(b"alive-42")


async def lets_in(bastion: Bastion) -> None:
    """Hold that a new session opens."""
    opened = await bastion.client.ssh("alice+scan01", "echo in", answers=bastion.answers())
    assert (opened.rc, opened.stdout) == (0, b"in\n"), opened.said


async def refuses(bastion: Bastion, rule: str) -> str:
    """Hold that nothing opens, by that rule, with the step and whose it is; what was said."""
    refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
    assert (refused.rc, refused.stdout) == (1, b""), refused.said
    assert f"PGSSIS-{rule}" in refused.said
    assert "un administrateur de l’établissement" in refused.said
    return refused.said


async def closings(bastion: Bastion) -> list[str]:
    """Why sessions ended, as the journal says."""
    return [str(entry.event.details["reason"]) for entry in await bastion.events("session.closed")]


async def test_a_maintenance_ends_after_its_grace_and_opens_once_the_store_is_back(tmp_path: Path) -> None:
    """The server of the bucket hangs: warned at once, echo untouched, ended by T11, none opens; then all of it arrives."""
    async with way_to(s3.own().port) as led:
        bucket = replace(
            s3.own().settings(tmp_path / "cache"),
            endpoint=led.endpoint,
            prefix=uuid4().hex,
            timeout_seconds=3,
        )
        settings, world = {**SHORT, "bucket": bucket}, {"outage_grace": GRACE}
        async with running_bastion(tmp_path, recorder_settings=settings, world_settings=world) as bastion:
            async with shell(bastion) as terminal:
                await led.lead(Way.HANGING)
                await terminal.expect(AWAY)
                await echoes(terminal)
                assert await terminal.wait() == 255
                said = terminal.seen.decode()
                assert "si cela dure, la session se ferme dans" in said
                assert "une télémaintenance ne continue pas sans lui" in said
                assert "PGSSIS-T11" in said
            await bastion.closed()
            assert "une télémaintenance ne s’ouvre pas" in await refuses(bastion, "T11")
            denied = await bastion.events("access.denied")
            assert denied[-1].event.details["failed"] == ["T11:finding.T11.unreachable"]
            await led.lead(Way.OPEN)
            (gap,) = await bastion.written("store.gap")
            assert gap.event.details["session_count"] == 1
            await lets_in(bastion)
            await bastion.closed()
            assert (await closings(bastion))[0] == "store"
            assert len(await bastion.events("alarm.store_unreachable")) == 1
            stored = bastion.recorder.store.sessions
            await eventually(lambda: not list((tmp_path / "traces" / "spool").glob("[!.]*")))
            assert len(await asyncio.to_thread(stored, bastion.world.id)) == 2


async def test_an_assistance_goes_on_in_the_spool_until_it_is_full(tmp_path: Path) -> None:
    """The folder's disk is gone: she is told, others open, an alarm at 80 %; full, all end and T12 refuses; then it is over."""
    store, away = tmp_path / "traces" / "traces", tmp_path / "away"
    settings = {**SHORT, "spool_quota_bytes": 1 << 20}
    world = {"kind": InterventionKind.REMOTE_ASSISTANCE}
    async with running_bastion(tmp_path, recorder_settings=settings, world_settings=world) as bastion:
        async with shell(bastion) as terminal:
            store.rename(away)
            store.mkdir()
            await terminal.expect(AWAY)
            await terminal.expect(b"sa trace attend sur le bastion")
            await lets_in(bastion)
            await echoes(terminal)
            terminal.send(b"head -c 900000 /dev/urandom | base64; echo filling\n")
            await terminal.expect(b"\nfilling")
            await bastion.written("alarm.spool_filling")
            terminal.send(b"head -c 900000 /dev/urandom | base64; echo never\n")
            assert await terminal.wait() == 255
            assert "remplissent la place prévue" in terminal.seen.decode()[-2000:]
        await bastion.closed()
        await refuses(bastion, "T12")
        assert list(store.iterdir()) == []
        store.rmdir()
        away.rename(store)
        (gap,) = await bastion.written("store.gap")
        assert gap.event.details["session_count"] == 2
        await lets_in(bastion)
        await bastion.closed()
        assert sorted(await closings(bastion)) == ["left", "left", "spool"]
        names = [entry.event.name for entry in await bastion.events()]
        assert names.count("alarm.store_unreachable") == 1
        assert "alarm.trace_not_shipped" not in names


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    """A database server of the test's own, to be stopped and started."""
    made = postgres.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.postgres
@pytest.mark.parametrize("hangs", [False, True], ids=["stopped", "hanging"])
async def test_without_the_database_of_traces_nothing_opens_and_nothing_is_lost(
    tmp_path: Path, server: postgres.Postgres, hangs: bool
) -> None:
    """PostgreSQL is stopped, or stands still: none opens unjournalled, the live one has her grace, all is written later."""
    strike, mend = (server.pause, server.go_on) if hangs else (server.halt, server.resume)
    url = server.url(server.create())
    await migrate(url)
    settings, world = {**SHORT, "catalog_url": url}, {"outage_grace": GRACE}
    async with running_bastion(tmp_path, recorder_settings=settings, world_settings=world) as bastion:
        async with shell(bastion) as terminal:
            strike()
            await terminal.expect("La base des traces de l’établissement n’inscrit plus rien".encode())
            await echoes(terminal)
            assert await terminal.wait() == 255
            said = terminal.seen.decode()
            assert "rétablir la base des traces" in said
            assert "PGSSIS-T11" in said
            assert AWAY.decode() not in said
        refused = await bastion.client.ssh("alice+scan01", "id", answers=bastion.answers())
        assert refused.rc != 0
        assert refused.stdout == b""
        mend()
        await bastion.closed()
        (gap,) = await bastion.written("store.gap")
        assert gap.event.details["kind"] == "CatalogUnavailable"
        await bastion.written("session.closed")
        assert await closings(bastion) == ["catalogue"]
        names = [entry.event.name for entry in await bastion.events()]
        assert names.count("alarm.store_unreachable") == 1
        assert "alarm.trace_not_shipped" not in names
        await lets_in(bastion)
        (folder,) = [entry for entry in os.scandir(tmp_path / "traces" / "traces") if len(entry.name) == 32]
        assert folder.is_dir()
