"""Processes that read what devices sent, as whoever asks them sees them; `recorder.confinement` is their own side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import IO, Final

_LONGEST_LINE: Final = 64 << 10


@contextlib.asynccontextmanager
async def worker(
    module: str, *, stdout: int | IO[bytes] = asyncio.subprocess.PIPE, longest_line: int = _LONGEST_LINE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module of this program in a process of its own, and end it at the block's end, whatever it does then.

    It inherits nothing that the environment holds, and what it says on standard error is heard by nobody.

    Args:
        module: Its name; it is asked on standard input.
        stdout: Where its answer goes.
        longest_line: Bytes that a line of its answer may have.

    Raises:
        OSError: There can be no such process.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.DEVNULL,  # a trace of the stack could hold what the device sent
        limit=longest_line,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
