"""Long work as JSON lines: how far it is, then what it gave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

BEAT_SECONDS: Final = 5.0
"""A line at least this often: nobody between takes the connection for dead while one large trace is read."""
Told = Callable[[str, int, int], None]
"""Told which part of the work is how far: so many of so many."""


async def progress(work: Callable[[Told], Awaitable[dict[str, Any]]], stopped: str) -> AsyncIterator[str]:
    """Yield a line for each step of *work*, and what it returns as the last; ``{"error": stopped}`` where it fails.

    Where nobody listens any more the work is cancelled.
    """
    lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=0)

    def told(part: str, done: int, of: int) -> None:
        lines.put_nowait({"part": part, "done": done, "of": of})

    async def run() -> dict[str, Any]:
        return await work(told)

    task = asyncio.create_task(run())
    beat: dict[str, Any] = {}
    task.add_done_callback(lambda _done: lines.put_nowait({}))
    try:
        while True:
            line: dict[str, Any] | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    line = await lines.get()
            if line == {}:
                break
            beat = line or beat
            yield json.dumps(beat) + "\n"
        try:
            yield json.dumps(task.result()) + "\n"
        except Exception:
            yield json.dumps({"error": stopped}) + "\n"
            raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
