"""The screen that output leaves behind, drawn by a process of its own that has little right to the processor."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Final

from recorder.replay.picture import Picture
from recorder.workers import worker

_LONGEST_LINE: Final = 64 * 1024 * 1024
_PROGRAM: Final = "recorder.replay.screen"


class Artist:
    """The process that draws; what it is told adds up. OSError, EOFError or ValueError: it broke."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Speak to *process*."""
        self._process = process

    async def begin(self, columns: int, rows: int) -> None:
        """Let the screen be empty, and of that size."""
        await self._say(json.dumps({"columns": columns, "rows": rows}).encode())

    async def draw(self, happened: bytes) -> Picture:
        """Return the screen after what *happened*: a JSON list of ``[seconds, code, data]`` on one line."""
        await self._say(happened)
        return Picture.from_json(await self._line())

    async def _say(self, line: bytes) -> None:
        if self._process.stdin is None:
            raise OSError("the program has no input")
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise OSError("the program has no output")
        line = await self._process.stdout.readline()
        if not line:
            raise EOFError
        return line


@contextlib.asynccontextmanager
async def artist() -> AsyncIterator[Artist]:
    """Start the process, and end it at the end; raises OSError where there can be none."""
    async with worker(_PROGRAM, longest_line=_LONGEST_LINE) as process:
        yield Artist(process)
