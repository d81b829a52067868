"""Bulk transfers by every route: how fast, and what that costs whoever stands between."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bench import clients
from bench.clients import Entry
from bench.errors import BenchError
from bench.ground import Ground, Route
from bench.processes import cpu_seconds
from bench.results import Results

MIB = 1024 * 1024
GIB = 1024 * MIB
SETTLE_SECONDS = 0.3
SECONDS_A_MIB = 0.1
CHUNK = 16 * MIB

Transfer = Callable[[Entry, Ground, int], Awaitable[None]]


async def exec_down(entry: Entry, _: Ground, size: int) -> None:
    """Let the device send *size* bytes of zero on a command's output."""
    client = await clients.start(entry, words=[f"head -c {size} /dev/zero"])
    await clients.finished(client, _limit(size))


async def exec_up(entry: Entry, _: Ground, size: int) -> None:
    """Send the device *size* bytes of zero on a command's input."""
    reading, writing = os.pipe()
    source = await asyncio.create_subprocess_exec("head", "-c", str(size), "/dev/zero", stdout=writing)
    os.close(writing)
    client = await clients.start(entry, words=["cat > /dev/null"], stdin=reading)
    os.close(reading)
    await clients.finished(client, _limit(size))
    await source.wait()


async def noise_down(entry: Entry, ground: Ground, size: int) -> None:
    """Let the device send *size* bytes that do not compress on a command's output."""
    client = await clients.start(entry, words=[f"cat {_noise(ground)}"])
    await clients.finished(client, _limit(size))


async def sftp_get(entry: Entry, ground: Ground, size: int) -> None:
    """Fetch a file of *size* bytes."""
    await _sftp(entry, f"get {_noise(ground)} {ground.fast / 'fetched'}", ground.fast / "fetched", size)


async def sftp_put(entry: Entry, ground: Ground, size: int) -> None:
    """Send a file of *size* bytes."""
    await _sftp(entry, f"put {_noise(ground)} {ground.fast / 'sent'}", ground.fast / "sent", size)


TRANSFERS: dict[str, Transfer] = {
    "down": exec_down,
    "up": exec_up,
    "noise": noise_down,
    "get": sftp_get,
    "put": sftp_put,
}
BY_JUMP = "jump-"


async def measure(
    ground: Ground, results: Results, row: str, size: int, rounds: int, step: Callable[[str], None]
) -> None:
    """Take *row* in *rounds*, the routes by turns, so that a busy moment of the machine falls on all of them.

    A row that begins with BY_JUMP goes by ``ssh -J`` through the bastion too.
    """
    transfer = TRANSFERS[row.removeprefix(BY_JUMP)]
    if transfer not in {exec_down, exec_up} and not _noise(ground).exists():
        await asyncio.to_thread(make_noise, ground, size)
    entries = {route: ground.entry(route) for route in Route}
    if row.startswith(BY_JUMP):
        entries = {Route.JUMP: entries[Route.JUMP], Route.ECLUSE: ground.by_jump()}
    async with AsyncExitStack() as stack:
        shared = {
            route: await stack.enter_async_context(clients.logged_in(entry, ground.directory))
            for route, entry in entries.items()
        }
        for number in range(rounds):
            for route, entry in shared.items():
                step(f"{row}, {route.value}, round {number + 1}")
                await _one(ground, results, row, route, entry, size)


async def _one(ground: Ground, results: Results, row: str, route: Route, entry: Entry, size: int) -> None:
    before = cpu_seconds(ground.between(route))
    started = time.perf_counter()
    await TRANSFERS[row.removeprefix(BY_JUMP)](entry, ground, size)
    taken = time.perf_counter() - started
    results.add(row, route, size / MIB / taken)
    await asyncio.sleep(SETTLE_SECONDS)  # what is still being written belongs to this transfer
    if route is not Route.DIRECT:
        used = cpu_seconds(ground.between(route)) - before
        results.add(f"cpu-{row}", route, used * GIB / size)


async def _sftp(entry: Entry, command: str, made: Path, size: int) -> None:
    client = await asyncio.create_subprocess_exec(
        *entry.arguments("sftp", "-b", "-"),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=entry.environment(),
    )  # fmt: skip
    await clients.finished(client, _limit(size), typed=f"{command}\n".encode())
    if made.stat().st_size != size:
        raise BenchError(f"the file arrived with {made.stat().st_size} bytes, not {size}")
    made.unlink()


def _limit(size: int) -> float:
    return 30.0 + SECONDS_A_MIB * size / MIB


def _noise(ground: Ground) -> Path:
    return ground.fast / "noise"


def make_noise(ground: Ground, size: int) -> None:
    """Write the file of *size* random bytes that transfers read; blocks."""
    with _noise(ground).open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(os.urandom(min(CHUNK, size - start)))
