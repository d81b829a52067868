"""Where the gateway's time goes in a bulk transfer: samples its main thread, and adds up its threads.

Usage: python -m bench.hotspots [ROW] [MIB]     (ROW: down, up, noise, get, put)
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import bulk, clients
from bench.bulk import MIB, TRANSFERS
from bench.errors import BenchError
from bench.ground import Ground, Route, ground

SAMPLING = Path(__file__).resolve().parent / "sampling"
SHOWN = 30
WAY_IN = 0.9
NOTABLE_SECONDS = 0.05
ANSWER_SECONDS = 10.0


async def main(row: str, size: int) -> None:
    """Measure one transfer and print what its seconds were spent on."""
    with tempfile.TemporaryDirectory(prefix="ecluse-bench-") as directory:
        samples = Path(directory) / "samples.json"
        path = filter(None, (str(SAMPLING), os.environ.get("PYTHONPATH")))
        os.environ.update(PYTHONPATH=os.pathsep.join(path), BENCH_SAMPLES=str(samples))
        async with ground(1, lambda _text: None) as built:
            if row in {"noise", "get", "put"}:
                await asyncio.to_thread(bulk.make_noise, built, size)
            entry = built.entry(Route.ECLUSE)
            async with clients.logged_in(entry, built.directory) as shared:
                await _sampled(built, samples)
                started = time.perf_counter()
                await TRANSFERS[row](shared, built, size)
                taken = time.perf_counter() - started
                found = await _sampled(built, samples)
    _show(row, size, taken, found)


async def _sampled(built: Ground, samples: Path) -> dict[str, Any]:
    """Have the gateway write down and forget what it sampled; returns it."""
    samples.unlink(missing_ok=True)
    os.kill(built.gateway_pid, signal.SIGUSR2)
    deadline = time.monotonic() + ANSWER_SECONDS
    while not samples.exists():
        if time.monotonic() > deadline:
            raise BenchError("the gateway does not write its samples")
        await asyncio.sleep(0.02)
    found: dict[str, Any] = json.loads(samples.read_text())
    return found


def _show(row: str, size: int, taken: float, found: dict[str, Any]) -> None:
    screen = Console(width=120)
    total = found["samples"] or 1
    screen.print(f"{row}: {size / MIB / taken:.0f} MiB/s while sampled, {taken:.1f} s, {total} samples")
    for name, seconds in sorted(found["threads"].items(), key=lambda item: -item[1]):
        if seconds > NOTABLE_SECONDS:
            screen.print(f"thread {name}: {seconds:.2f} s of CPU", highlight=False)
    table = Table("function itself", "share", "with what it calls", "share ")
    # what is on every stack is the way in, not a cost
    within = [(name, count) for name, count in found["within"] if count < WAY_IN * total]
    for (name, count), (caller, whole) in zip(found["alone"][:SHOWN], within[:SHOWN], strict=False):
        table.add_row(name, f"{count / total:.1%}", caller, f"{whole / total:.1%}")
    screen.print(table)


if __name__ == "__main__":
    asked = sys.argv[1:]
    asyncio.run(main(asked[0] if asked else "down", (int(asked[1]) if len(asked) > 1 else 1024) * MIB))
