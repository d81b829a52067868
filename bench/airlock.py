"""What the two-tier lock costs: the same gateway program with and without front and relay before it. Prints one table.

Usage: python -m bench.airlock [MiB a transfer] [rounds] [keystrokes]
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench import bulk, clients, echo
from bench.clients import Entry
from bench.ground import Ground, Route, ground
from bench.processes import cpu_seconds, machine
from bench.results import percentile
from ecluse import airlock
from ecluse.demo.device import HOST
from ecluse.demo.ports import free_port
from ecluse.demo.processes import with_us
from tests.support.waiting import answered

TRANSFERS = {"exec down, zeros": "down", "exec up, zeros": "up", "exec down, random bytes": "noise"}
MEBIBYTES, ROUNDS, STROKES = 256, 3, 200


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the device: its log-in, and the processes that stand there, by name."""

    entry: Entry
    pids: dict[str, int]


@asynccontextmanager
async def program(*words: str, log: Path, **environment: str) -> AsyncIterator[int]:
    """Run ``ecluse`` with *words*; give its process."""
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *with_us(), sys.executable, "-P", "-m", "ecluse", *words,
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env={**os.environ, **environment},
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        await clients.stop(process)


@asynccontextmanager
async def locked(built: Ground) -> AsyncIterator[Way]:
    """Run a second gateway, which believes a relay, with front and relay before it."""
    outer, inner, gateway, folder = free_port(), free_port(), free_port(), built.directory / "lock"
    front, relay = airlock.make_keys(folder, f"{HOST}:{inner}", datetime.now(UTC))
    (front / airlock.FILE).write_text(
        f'[front]\nhost = "{HOST}"\nport = {outer}\nrelay_host = "{HOST}"\nrelay_port = {inner}\n'
    )
    (relay / airlock.FILE).write_text(f'[relay]\nfronts = ["{HOST}:{inner}"]\ngateway_port = {gateway}\n')
    told = {"ECLUSE_GATEWAY__PORT": str(gateway), "ECLUSE_GATEWAY__PROXY_SOURCES": f'["{HOST}"]'}
    async with AsyncExitStack() as stack:
        pids = {}
        for name, words, environment in (
            ("gateway", ("gateway", "--config", str(built.config)), told),
            ("front", ("airlock", "front", "--config", str(front / airlock.FILE)), {}),
            ("relay", ("airlock", "relay", "--config", str(relay / airlock.FILE)), {}),
        ):
            log = built.directory / f"{name}.log"
            pids[name] = await stack.enter_async_context(program(*words, log=log, **environment))
        await answered(lambda: asyncio.to_thread(_greets, outer), 60)
        entry = built.entry(Route.ECLUSE)
        known = ("-o", f"Port={outer}", "-o", f"HostKeyAlias=[{HOST}]:{built.ssh_port}")
        yield Way(replace(entry, options=(*entry.options, *known)), pids)


def _greets(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 2) as probe:
            probe.settimeout(2)
            return probe.recv(8).startswith(b"SSH-")
    except OSError:
        return False


async def main(mebibytes: int, rounds: int, strokes: int) -> None:
    """Measure both ways by turns."""
    size = mebibytes * bulk.MIB
    async with AsyncExitStack() as running:
        built = await running.enter_async_context(ground(4, lambda text: print(f"… {text}", file=sys.stderr)))
        plain = Way(built.entry(Route.ECLUSE), {"gateway": built.gateway_pid})
        lock = await running.enter_async_context(
            locked(built)
        )  # its gateway announces itself in the other's place
        await asyncio.to_thread(bulk.make_noise, built, size)
        ways = {"without": plain, "with": lock}
        table = Table("", *(f"{name} the lock" for name in ways), title="The two-tier lock")
        async with AsyncExitStack() as stack:
            shared = {}
            for name, way in ways.items():
                sockets = built.directory / name
                sockets.mkdir()
                shared[name] = await stack.enter_async_context(clients.logged_in(way.entry, sockets))
            for label, transfer in TRANSFERS.items():
                rates: dict[str, list[float]] = {name: [] for name in ways}
                costs: dict[str, list[str]] = {}
                before = {name: _spent(way) for name, way in ways.items()}
                for _ in range(rounds):
                    for name, entry in shared.items():
                        started = time.perf_counter()
                        await bulk.TRANSFERS[transfer](entry, built, size)
                        rates[name].append(mebibytes / (time.perf_counter() - started))
                        await asyncio.sleep(bulk.SETTLE_SECONDS)
                for name, way in ways.items():
                    used, moved = _spent(way), rounds * size / bulk.GIB
                    costs[name] = [f"{each} {(used[each] - before[name][each]) / moved:.2f}" for each in used]
                table.add_row(f"{label}, MiB/s", *(f"{median(rates[name]):,.0f}" for name in ways))
                table.add_row("  its CPU, s a GiB", *(", ".join(costs[name]) for name in ways))
        typed = {name: await _typed(built, way, strokes) for name, way in ways.items()}
        table.add_row("keystroke echo, p50 / p99, ms", *typed.values())
    console = Console()
    console.print(table)
    console.print(*(f"{name}: {value}" for name, value in machine().items()), sep=" · ")


def _spent(way: Way) -> dict[str, float]:
    return {name: cpu_seconds({pid}) for name, pid in way.pids.items()}


async def _typed(built: Ground, way: Way, strokes: int) -> str:
    fresh = built.entry(Route.ECLUSE)  # a code serves once
    place = way.entry.options[len(fresh.options) :]
    taken = await echo.timed(replace(fresh, options=(*fresh.options, *place)), strokes)
    return f"{percentile(taken, 50):.2f} / {percentile(taken, 99):.2f}"


if __name__ == "__main__":
    asked = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*asked, *(MEBIBYTES, ROUNDS, STROKES)[len(asked) :]))
