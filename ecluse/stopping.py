"""How a foreground process learns that it should end."""

import asyncio
import signal


async def stop_requested() -> None:
    """Return at the first SIGTERM or SIGINT; must run on the main thread's loop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
