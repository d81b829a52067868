"""Waiting for something to come true, never for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

_LONGEST_PAUSE: Final = 0.5
PATIENCE: Final = 60.0
"""Seconds until a test gives up: a machine that others keep busy may stand still for several, and who passes waits for none."""
T = TypeVar("T")


def _pause(looked_since: float, least: float) -> float:
    """Return how long to leave the machine to what is waited for: what costs much to look at is looked at less often."""
    return min(max(least, 4 * (time.monotonic() - looked_since)), _LONGEST_PAUSE)


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait, where there is no loop, until *condition* holds; raises TimeoutError naming *what* otherwise."""
    end = (looked := time.monotonic()) + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(_pause(looked, 0.02))
        looked = time.monotonic()


async def steady(value: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until *value* has stood still for 0.3 s; raises TimeoutError when it does not within *seconds*."""
    async with asyncio.timeout(seconds):
        before = object()
        while (now := value()) != before:
            before = now
            await asyncio.sleep(0.3)


async def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until *condition* holds; raises TimeoutError when it does not within *seconds*."""
    async with asyncio.timeout(seconds):
        looked = time.monotonic()
        while not condition():  # what is waited for lies in other processes and sets no event
            await asyncio.sleep(_pause(looked, 0.02))
            looked = time.monotonic()


async def answered(ask: Callable[[], Awaitable[T | None]], seconds: float = PATIENCE) -> T:
    """Ask until the answer is true, and return it; raises TimeoutError when none is within *seconds*."""
    async with asyncio.timeout(seconds):
        looked = time.monotonic()
        while not (answer := await ask()):  # as above: rows and other processes set no event
            await asyncio.sleep(_pause(looked, 0.05))
            looked = time.monotonic()
        return answer
