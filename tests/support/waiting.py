"""Waiting for something to come true, never for time to pass."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until *condition* holds; raises TimeoutError when it does not within *seconds*."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for lies in other processes and sets no event
            await asyncio.sleep(0.02)
