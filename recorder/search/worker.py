"""``python -m recorder.search.worker``: renders one trace for the index, apart from everybody, within stated bounds.

It reads what devices sent, which is hostile: so it is a process of its own, of the lowest priority, that may use so
much processor time and memory and no more, can write no file, and is given the key of one trace and none that opens
another. It answers in lines of JSON: passages, and how it ended.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from recorder.errors import RecorderError, TraceSealed
from recorder.replay.reader import TraceReader
from recorder.search.extraction import extract
from recorder.search.passages import Passage

NICE: Final = 19
FILES: Final = 64
SPARE_SECONDS: Final = 2
"""What is left of its time once it stops by itself, to say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trace to render.

    Attributes:
        folder: Where it lies.
        key: Its data key in hexadecimal; None for one that is not sealed.
        cpu_seconds: Processor time that it may use.
        memory_bytes: Address space that it may use.
        text_bytes: Text that it may give.
    """

    folder: str
    key: str | None
    cpu_seconds: int
    memory_bytes: int
    text_bytes: int

    def to_json(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


def confine(job: Job) -> None:
    """Bound this process for good."""
    os.nice(NICE)
    for what, most in (
        (resource.RLIMIT_CPU, job.cpu_seconds + SPARE_SECONDS),
        (resource.RLIMIT_AS, job.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def answers(job: Job) -> Iterator[str]:
    """Give the passages of a trace as lines of JSON, and as the last line how it ended and why."""
    given = 0
    try:
        with TraceReader(Path(job.folder)) as reader:
            frames = reader.frames(None if job.key is None else bytes.fromhex(job.key))
            for passage in _bounded(job, extract(reader.header, frames)):
                if passage is None:
                    yield _end("time")
                    return
                line = passage.to_json()
                given += len(line)
                if given > job.text_bytes:
                    yield _end("text")
                    return
                yield line
    except TraceSealed as error:
        yield _end("sealed", str(error))
    except RecorderError as error:
        yield _end("broken", str(error))
    except MemoryError:
        yield _end("memory")
    except Exception as error:
        # it must say that it failed; what the bytes did to it is of no use here
        yield _end("failed", type(error).__name__)
    else:
        yield _end("whole")


def _bounded(job: Job, passages: Iterator[Passage]) -> Iterator[Passage | None]:
    """Give *passages* until the time is nearly used up; then None."""
    for passage in passages:
        yield passage
        if time.process_time() > job.cpu_seconds:
            yield None
            return


def _end(how: str, why: str = "") -> str:
    return json.dumps({"end": how, "why": why[:500]})


def main() -> None:
    """Do the one job that standard input names."""
    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    job = Job(**told)
    confine(job)
    for line in answers(job):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
