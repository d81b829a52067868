"""What both real processes tell who watches them, over their own ports."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ecluse.presence import port_of
from tests.support.installed import change
from tests.support.waiting import eventually

PROGRAMS = ("gateway", "console")
TOKEN = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[dict[str, int]]:
    """Run both processes; give the ports they are watched at."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ecluse", program, "--config", str(config)),
            stderr=asyncio.subprocess.DEVNULL,
        )
        for program in PROGRAMS
    ]
    run = config.parent / "run"
    try:
        await eventually(lambda: all(port_of(run, one, "watched") is not None for one in PROGRAMS), 60)
        yield {one: port_of(run, one, "watched") or 0 for one in PROGRAMS}
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        ended = [await asyncio.wait_for(process.wait(), 30) for process in started]
    assert ended == [0, 0]


def breaks(database: Path, broken: bool) -> None:
    """Take from the policy database what both processes look for, or give it back."""
    here, there = ("outbox", "outbox_away")[:: 1 if broken else -1]
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute(f"ALTER TABLE {here} RENAME TO {there}")
        turned = "'other-' || version_num" if broken else "substr(version_num, 7)"
        connection.execute(f"UPDATE alembic_version SET version_num = {turned}")  # noqa: S608 - of two lines above
    connection.close()


async def answering(client: httpx.AsyncClient, url: str, status: int) -> None:
    """Wait until *url* answers with *status*."""
    async with asyncio.timeout(20):
        while (await client.get(url)).status_code != status:  # noqa: ASYNC110 - what another process answers
            await asyncio.sleep(0.1)


async def test_both_processes_are_watched_and_tell_when_a_database_is_gone(config: Path) -> None:
    """Each is alive and ready and exports metrics to who has the token; with the policy database gone, not ready."""
    token = config.parent / "keys/metrics-token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    for program in PROGRAMS:
        change(config, program, "metrics_port = 0")
        change(config, program, 'metrics_token_file = "keys/metrics-token"')
    async with running(config) as ports, httpx.AsyncClient(timeout=20) as client:
        for program, port in ports.items():
            base = f"http://127.0.0.1:{port}"
            assert (await client.get(f"{base}/healthz")).status_code == 200
            ready = await client.get(f"{base}/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "good")
            assert set(ready.json()["checks"]) >= {"policy", "traces", "accepting", "clock"}
            assert (await client.get(f"{base}/metrics")).status_code == 401
            shown = await client.get(f"{base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            families = {family.name: family for family in text_string_to_metric_families(shown.text)}
            assert families["ecluse_build_info"].samples[0].labels["program"] == program
            assert families["ecluse_ready"].samples[0].value == 1
        for broken, status in ((True, 503), (False, 200)):
            breaks(config.parent / "policy.db", broken)
            for port in ports.values():
                await answering(client, f"http://127.0.0.1:{port}/readyz", status)
