"""Many sessions at once, held by a process of their own: idle at the prompt, or typing.

Run as ``python -m bench.crowd``; reads one line of JSON, prints ``ready`` or why not, and ends all sessions when its
standard input closes.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bench import clients
from bench.clients import Entry
from bench.errors import BenchError

AT_ONCE = 6
LINE = 40
SEAT_SECONDS = 3.0
"""How long, at most, seating one session takes on average."""


class _Session:
    """One client: seated, then drained and typed to until it is stopped."""

    def __init__(self, entry: Entry, words: Sequence[str], marker: bytes, strokes: float) -> None:
        self._entry = entry
        self._words = words
        self._marker = marker
        self._strokes = strokes
        self._client: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def seat(self, turn: asyncio.Semaphore) -> None:
        """Log in and wait for the marker."""
        async with turn:
            self._client = await clients.start(
                self._entry, "-tt", words=self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            await clients.seen(self._client, self._marker)
        self._tasks.append(asyncio.create_task(self._drain(self._client)))

    def begin(self) -> None:
        """Start to type."""
        if self._client is not None and self._strokes:
            self._tasks.append(asyncio.create_task(self._type(self._client)))

    async def stop(self) -> None:
        """End the client."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await clients.stop(self._client)

    async def _drain(self, client: asyncio.subprocess.Process) -> None:
        while client.stdout is not None and await client.stdout.read(65536):
            pass

    async def _type(self, client: asyncio.subprocess.Process) -> None:
        pause = 1 / self._strokes
        await asyncio.sleep(random.uniform(0, pause))
        typed = 0
        while client.stdin is not None:
            typed += 1
            client.stdin.write(b"\n" if typed % LINE == 0 else b"x")
            await asyncio.sleep(pause)


async def _hold(asked: dict[str, Any]) -> None:
    sessions = [
        _Session(Entry.of(entry), asked["words"], asked["marker"].encode(), asked["strokes"])
        for entry in asked["entries"]
    ]
    turn = asyncio.Semaphore(AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(session.seat(turn))
        for session in sessions:
            session.begin()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    except* BenchError as errors:
        print(f"{len(errors.exceptions)} sessions failed, the first: {errors.exceptions[0]}", flush=True)
    finally:
        await asyncio.gather(*(session.stop() for session in sessions))


@asynccontextmanager
async def seated(
    entries: Sequence[Entry], *, words: Sequence[str], marker: bytes, strokes: float = 0.0
) -> AsyncIterator[None]:
    """Hold a session by each of *entries* while the block runs, in another process; *strokes* a second are typed.

    A session is seated when *marker* came on its output. Raises BenchError where one fails.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.crowd",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=clients.ROOT,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise BenchError("the crowd has no standard streams")
    asked = {
        "entries": [entry.document() for entry in entries],
        "words": list(words),
        "marker": marker.decode(),
        "strokes": strokes,
    }
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        async with asyncio.timeout(clients.LOGIN_SECONDS + SEAT_SECONDS * len(entries)):
            said = (await process.stdout.readline()).decode().strip()
        if said != "ready":
            raise BenchError(said or "the crowd ended without a word")
        yield
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), clients.LOGIN_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(_hold(json.loads(sys.stdin.readline())))
