"""From starting a client to the device's prompt."""

import asyncio
import subprocess
import time
from collections.abc import Callable

from bench import clients
from bench.ground import PROMPT, By, Ground, Route
from bench.results import Results

PAUSE_SECONDS = 0.3


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
