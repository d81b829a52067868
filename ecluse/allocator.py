"""What the C library's allocator keeps of memory that was given back: bounded, and returned to the system in time.

A process of many threads has an arena for each of them, up to eight a core. Each keeps what it was once given: a burst
that passes by one thread after the other leaves its largest moment behind in all of them.
"""

import asyncio
import ctypes
from typing import Final

ARENAS: Final = 2
"""Threads wait for each other no more than they do for the interpreter: they compute outside it, and ask inside."""
RETURN_SECONDS: Final = 60.0
"""How often what is free is returned: within a burst it serves again, and costs as much to get anew."""
_M_ARENA_MAX: Final = -8
"""mallopt(3)."""


def bound() -> bool:
    """Let threads share ARENAS arenas; tell whether this C library can. Call it before there are threads."""
    choose = getattr(_library(), "mallopt", None)
    return choose is not None and bool(choose(_M_ARENA_MAX, ARENAS))


async def keep_returning() -> None:
    """Return what is free to the system every RETURN_SECONDS, until cancelled; at once done where it cannot be told to."""
    trim = getattr(_library(), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(RETURN_SECONDS)
        await asyncio.to_thread(trim, 0)


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
