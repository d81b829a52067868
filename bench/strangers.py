"""Strangers: many connections that never log in, and what they cost somebody who has, and who wants to.

Run as ``python -m bench.strangers PORT COUNT WAY``; prints ``ready`` when all have begun, and how many connections
were tried when its standard input closes.
"""

import asyncio
import contextlib
import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum

from bench import clients, echo
from bench.errors import BenchError
from bench.ground import PROMPT, Ground, Route
from bench.processes import cpu_seconds, resident
from bench.results import Results
from ecluse.demo.device import HOST

SOURCES = 250
"""Addresses they come from: enough that the limit of one source does not keep the others out."""
BEGIN_SECONDS = 10.0
"""Within this time all have tried once; one who is turned away tries again after as long, but for who knocks."""
GREETING = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
BYTE_SECONDS = 2.0
SPARE_FILES = 200


class Way(Enum):
    """How strangers behave: the rows' names."""

    SLOW = "slow"
    """They greet a byte at a time."""
    MUTE = "mute"
    """They greet, and say nothing more."""
    KNOCK = "knock"
    """They greet, have keys exchanged, leave, and come again at once: as costly as they can be."""


AGAIN_SECONDS = {Way.SLOW: BEGIN_SECONDS, Way.MUTE: BEGIN_SECONDS, Way.KNOCK: 0.5}


def _packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 4  # RFC 4253 section 6
    return (len(payload) + padding + 1).to_bytes(4) + bytes([padding]) + payload + bytes(padding)


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(4) + text


_OFFER = (b"curve25519-sha256", b"ssh-ed25519", *[b"aes256-gcm@openssh.com"] * 2, *[b"hmac-sha2-256"] * 2)
_KEXINIT = b"\x14" + bytes(16) + b"".join(map(_string, (*_OFFER, b"none", b"none", b"", b""))) + bytes(5)
KNOCK = GREETING + _packet(_KEXINIT) + _packet(b"\x1e" + _string(os.urandom(32)))
"""What they say all at once: version, SSH_MSG_KEXINIT, and a key for SSH_MSG_KEX_ECDH_INIT. It costs them nothing."""
REPLY = _string(b"ssh-ed25519")
"""This stands in our first packet, and in the answer to their key."""


@dataclass(slots=True)
class _Count:
    tried: int = 0


async def among(
    ground: Ground,
    results: Results,
    way: Way,
    strokes: int,
    count: int,
    logins: int,
    step: Callable[[str], None],
) -> None:
    """Time *strokes* keystrokes of a technician who is logged in, before and while *count* strangers try.

    Then *logins* others log in among them, each from an address that nobody logged in from before.
    """
    row = way.value
    async with echo.typist(ground.entry(Route.ECLUSE)) as typed:
        step(f"{row}: before them")
        results.add(f"{row}-calm", Route.ECLUSE, *await typed(strokes))
        before = resident(ground.gateway_pid)
        step(f"{row}: {count} strangers")
        async with _crowd(ground.ssh_port, count, way) as crowd:
            began, used = time.monotonic(), cpu_seconds([ground.gateway_pid])
            results.add(row, Route.ECLUSE, *await typed(strokes))
            taken = time.monotonic() - began
            results.add(f"{row}-cpu", Route.ECLUSE, (cpu_seconds([ground.gateway_pid]) - used) / taken)
            results.add(f"{row}-memory", Route.ECLUSE, (resident(ground.gateway_pid) - before) / (1 << 20))
            for number in range(logins):
                step(f"{row}: log-in {number + 1} among them")
                results.add(f"{row}-login", Route.ECLUSE, await _login(ground, f"127.2.0.{number + 1}"))
        results.add(f"{row}-tries", Route.ECLUSE, crowd.tried / (time.monotonic() - began))


async def _login(ground: Ground, source: str) -> float:
    """Log in once from *source*; returns the milliseconds to the prompt, attempts that were sent away included."""
    entry = ground.entry(Route.ECLUSE)
    entry = replace(entry, options=(*entry.options, "-b", source))
    started = time.perf_counter()
    while True:
        client = await clients.start(entry, "-tt", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            await clients.seen(client, PROMPT)
            return (time.perf_counter() - started) * 1000
        except BenchError:
            if time.perf_counter() - started > clients.LOGIN_SECONDS:
                raise
        finally:
            await clients.stop(client)


@asynccontextmanager
async def _crowd(port: int, count: int, way: Way) -> AsyncIterator[_Count]:
    """Hold *count* strangers in a process of their own; at the end it is known how many connections they tried."""
    counted = _Count()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.strangers", str(port), str(count), way.value,
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


async def _hold(port: int, count: int, way: Way) -> None:
    tried = _Count()
    sources = itertools.cycle(f"127.1.{number // 200}.{number % 200 + 1}" for number in range(SOURCES))
    tasks = [
        asyncio.create_task(_stranger(port, next(sources), number * BEGIN_SECONDS / count, tried, way))
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


async def _stranger(port: int, source: str, begin: float, tried: _Count, way: Way) -> None:
    """Connect and behave in her *way*; begin again when turned away."""
    await asyncio.sleep(begin)
    while True:
        tried.tried += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
            try:
                match way:
                    case Way.SLOW:
                        await asyncio.gather(_greet(writer), _until_closed(reader))
                    case Way.MUTE:
                        writer.write(GREETING)
                        await _until_closed(reader)
                    case Way.KNOCK:
                        writer.write(KNOCK)
                        await reader.readuntil(REPLY)
            finally:
                writer.close()
        await asyncio.sleep(AGAIN_SECONDS[way])


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
    asyncio.run(_hold(int(sys.argv[1]), wanted, Way(sys.argv[3])))
