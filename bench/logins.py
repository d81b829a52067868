"""From starting a client to the device's prompt, one at a time; and how many a second, several at once."""

import asyncio
import subprocess
import time
from collections.abc import Callable

from bench import clients
from bench.clients import Entry
from bench.ground import ECLUSE_ALONE, PROMPT, By, Ground, Route
from bench.results import Results

PAUSE_SECONDS = 0.3
AT_ONCE = 8


async def measure(
    ground: Ground, results: Results, row: str, count: int, step: Callable[[str], None]
) -> None:
    """Log in *count* times by each route, the routes by turns."""
    by = By(row.removeprefix("login-"))
    for number in range(count):
        for route in Route:
            step(f"{row}, {route.value}, {number + 1}")
            entry = ground.entry(route, by)
            started = time.perf_counter()
            client = await clients.start(entry, "-tt", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                await clients.seen(client, PROMPT)
                results.add(row, route, (time.perf_counter() - started) * 1000)
            finally:
                await clients.stop(client)
            await asyncio.sleep(PAUSE_SECONDS)  # the end of one must not weigh on the next


async def rate(ground: Ground, results: Results, row: str, count: int, step: Callable[[str], None]) -> None:
    """Log in *count* times by each route, AT_ONCE at a time, each to the end of a command that does nothing."""
    by = By(row.removeprefix("rate-"))
    for route in Route if by not in ECLUSE_ALONE else (Route.ECLUSE,):
        step(f"{row}, {route.value}")
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(entry: Entry, turn: asyncio.Semaphore = turn) -> None:
            async with turn:
                await clients.finished(await clients.start(entry, words=["true"]), clients.LOGIN_SECONDS)

        entries = [ground.entry(route, by) for _ in range(count)]
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                group.create_task(one(entry))
        results.add(row, route, count / (time.perf_counter() - started))
