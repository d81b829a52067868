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


class Wishes:
    """What a gateway is asked for by signals: to end (SIGTERM, SIGINT), or to hand over to a new process (SIGUSR2)."""

    def __init__(self) -> None:
        """Listen for the signals; must run on the main thread's loop."""
        loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self._end = asyncio.Event()
        self._hand_over = False
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._wish, False)
        loop.add_signal_handler(signal.SIGUSR2, self._wish, True)

    def _wish(self, hand_over: bool) -> None:
        self._hand_over = hand_over
        self._asked.set()
        if not hand_over:
            self._end.set()

    async def to_hand_over(self) -> bool:
        """Wait for the next wish, and tell whether it is to hand over; once the end is asked for it is that for ever."""
        await self._asked.wait()
        self._asked.clear()
        return self._hand_over and not self._end.is_set()

    async def to_end(self) -> None:
        """Wait until the end is asked for."""
        await self._end.wait()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await *work*, to its end even when cancelled: its thread would go on, and write what was removed since."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # Ctrl-C ends its programs too: whoever was cancelled asks for that no more
