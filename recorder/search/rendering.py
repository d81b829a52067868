"""A trace rendered in a process of its own, which is bounded here again and believed in nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from recorder.errors import TraceFormatError
from recorder.search.job import Job
from recorder.search.passages import MAX_LINE_BYTES, Passage
from recorder.workers import worker

MIB: Final = 1 << 20
MAX_PASSAGES: Final = 200_000
_PATIENCE: Final = 10
"""How many times its processor time a process of the lowest priority may take on a busy machine."""


class State(StrEnum):
    """How far a trace has come in the index."""

    INDEXED = "indexed"
    TRUNCATED = "truncated"
    """What came first is found; the rest is over a bound, named in its reason."""
    FAILED = "failed"
    WAITING = "waiting"
    """It cannot be read yet: no reader's key is at hand, or it has not arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What rendering one trace may cost.

    Attributes:
        cpu_seconds: Processor time.
        memory_mib: Address space.
        text_mib: Text taken into the index.
    """

    cpu_seconds: int = 60
    memory_mib: int = 1024
    text_mib: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What was rendered. ``why`` is a word for a bound (``time``, ``text``, ``memory``) or a sentence for a fault."""

    passages: tuple[Passage, ...]
    state: State
    why: str = ""


async def render(folder: Path, key: bytes | None, bounds: Bounds) -> Rendered:
    """Render the trace in *folder*, sealed under *key* (None: not sealed). Never fails for what the trace holds."""
    job = Job(
        folder=str(folder),
        key=None if key is None else key.hex(),
        cpu_seconds=bounds.cpu_seconds,
        memory_bytes=bounds.memory_mib * MIB,
        text_bytes=bounds.text_mib * MIB,
    )
    passages: list[Passage] = []
    try:
        async with (
            worker("recorder.search.worker", longest_line=MAX_LINE_BYTES) as process,
            asyncio.timeout(bounds.cpu_seconds * _PATIENCE),
        ):
            end = await _answers(process, job, passages)
            status = await process.wait()
    except TimeoutError:
        return Rendered(passages=tuple(passages), state=State.TRUNCATED, why="time")
    except (TraceFormatError, ValueError) as error:  # a ValueError: a line longer than any may be
        return Rendered(passages=(), state=State.FAILED, why=f"the worker cannot be believed: {error}"[:500])
    return _judged(passages, end, status)


async def _answers(
    process: asyncio.subprocess.Process, job: Job, passages: list[Passage]
) -> Mapping[str, Any] | None:
    """Hand over the job and take the passages; return the last line, None where it never came."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process was made without its pipes")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(job.to_json())
        await process.stdin.drain()
    process.stdin.close()
    taken = 0
    while line := await process.stdout.readline():
        taken += len(line)
        if line.startswith(b'{"end"'):
            found = json.loads(line)
            return found if isinstance(found, dict) else None
        if taken > job.text_bytes + MAX_LINE_BYTES or len(passages) >= MAX_PASSAGES:
            return {"end": "text"}
        passages.append(Passage.from_json(line))
    return None


def _judged(passages: list[Passage], end: Mapping[str, Any] | None, status: int) -> Rendered:
    kept = tuple(passages)
    if end is None:
        if status in {-signal.SIGXCPU, -signal.SIGKILL}:
            return Rendered(passages=kept, state=State.TRUNCATED, why="time")
        return Rendered(passages=kept, state=State.FAILED, why=f"the worker ended with status {status}")
    how, why = str(end.get("end")), str(end.get("why") or "")
    if how == "whole":
        return Rendered(passages=kept, state=State.INDEXED)
    if how in {"time", "text", "memory"}:
        return Rendered(passages=kept, state=State.TRUNCATED, why=how)
    return Rendered(passages=kept, state=State.FAILED, why=why[:500] or how)
