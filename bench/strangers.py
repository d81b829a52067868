"""Slow strangers: many connections that never log in, and what they cost somebody who has.

Run as ``python -m bench.strangers PORT COUNT``; prints ``ready`` when all have begun, and how many connections were
tried when its standard input closes.
"""

import asyncio
import contextlib
import itertools
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import clients, echo
from bench.errors import BenchError
from bench.ground import Ground, Route
from bench.processes import cpu_seconds, resident
from bench.results import Results
from ecluse.demo.device import HOST

SOURCES = 250
"""Addresses they come from: enough that the limit of one source does not keep the others out."""
BEGIN_SECONDS = 10.0
"""Within this time all have tried once; one who is turned away tries again after as long."""
GREETING = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
BYTE_SECONDS = 2.0
SPARE_FILES = 200


@dataclass(slots=True)
class _Count:
    tried: int = 0


async def among(
    ground: Ground, results: Results, strokes: int, count: int, step: Callable[[str], None]
) -> None:
    """Time *strokes* keystrokes of a technician who is logged in, before and while *count* strangers try."""
    async with echo.typist(ground.entry(Route.ECLUSE)) as typed:
        step("slow: before them")
        results.add("calm", Route.ECLUSE, *await typed(strokes))
        before = resident(ground.gateway_pid)
        step(f"slow: {count} strangers")
        async with _crowd(ground.ssh_port, count) as crowd:
            began, used = time.monotonic(), cpu_seconds([ground.gateway_pid])
            results.add("slow", Route.ECLUSE, *await typed(strokes))
            taken = time.monotonic() - began
            results.add("slow-cpu", Route.ECLUSE, (cpu_seconds([ground.gateway_pid]) - used) / taken)
            results.add("slow-memory", Route.ECLUSE, (resident(ground.gateway_pid) - before) / (1 << 20))
        results.add("slow-tries", Route.ECLUSE, crowd.tried / (time.monotonic() - began))


@asynccontextmanager
async def _crowd(port: int, count: int) -> AsyncIterator[_Count]:
    """Hold *count* strangers in a process of their own; at the end it is known how many connections they tried."""
    counted = _Count()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.strangers", str(port), str(count),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=clients.ROOT,
    )  # fmt: skip
    try:
        await clients.seen(process, b"ready\n")
        yield counted
        said, _ = await asyncio.wait_for(process.communicate(b""), clients.LOGIN_SECONDS)
        counted.tried = int(said)
    except TimeoutError:
        raise BenchError("the strangers did not leave") from None
    finally:
        await clients.stop(process)


async def _hold(port: int, count: int) -> None:
    tried = _Count()
    sources = itertools.cycle(f"127.1.{number // 200}.{number % 200 + 1}" for number in range(SOURCES))
    tasks = [
        asyncio.create_task(_stranger(port, next(sources), number * BEGIN_SECONDS / count, tried))
        for number in range(count)
    ]
    await asyncio.sleep(BEGIN_SECONDS)
    print("ready", flush=True)
    before = tried.tried
    await asyncio.to_thread(sys.stdin.read)
    print(tried.tried - before, flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stranger(port: int, source: str, begin: float, tried: _Count) -> None:
    """Connect and greet a byte at a time; begin again when turned away."""
    await asyncio.sleep(begin)
    while True:
        tried.tried += 1
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
            try:
                await asyncio.gather(_greet(writer), _until_closed(reader))
            finally:
                writer.close()
        await asyncio.sleep(BEGIN_SECONDS)


async def _greet(writer: asyncio.StreamWriter) -> None:
    for byte in GREETING:
        if writer.transport.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(BYTE_SECONDS)


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass


if __name__ == "__main__":
    wanted = int(sys.argv[2])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, wanted + SPARE_FILES), most))
    asyncio.run(_hold(int(sys.argv[1]), wanted))
