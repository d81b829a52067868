"""How a foreground process learns that it should end."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def stop_requested() -> None:
    """Return at the first SIGTERM or SIGINT; must run on the main thread's loop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await *work*, to its end even when cancelled: its thread would go on, and write what was removed since."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # Ctrl-C ends its programs too: whoever was cancelled asks for that no more
