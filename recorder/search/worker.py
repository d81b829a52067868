"""``python -m recorder.search.worker``: renders one trace for the index, apart from everybody, within stated bounds.

It reads what devices sent, which is hostile: so it is a process of its own, of the lowest priority, that may use so
much processor time and memory and no more, can write no file, and is given the key of one trace and none that opens
another. It answers in lines of JSON: passages, and how it ended.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from recorder.confinement import confine
from recorder.errors import RecorderError, TraceSealed
from recorder.replay.reader import TraceReader
from recorder.search.extraction import extract
from recorder.search.job import Job
from recorder.trace.frames import Frame, FrameType

NICE: Final = 19
SPARE_SECONDS: Final = 10
"""How much later than it stops by itself it is stopped."""
PIECE: Final = 32 * 1024
"""Bytes of output between two looks at the time."""
STREAMS: Final = frozenset({FrameType.OUTPUT, FrameType.ERROR_OUTPUT})


def answers(job: Job) -> Iterator[str]:
    """Give the passages of a trace as lines of JSON, and as the last line how it ended and why."""
    meter = _Meter(job)
    try:
        with TraceReader(Path(job.folder)) as reader:
            frames = reader.frames(None if job.key is None else bytes.fromhex(job.key))
            for passage in extract(reader.header, meter.within(frames)):
                line = passage.to_json()
                meter.given += len(line)
                if meter.given > job.text_bytes:
                    meter.over = "text"
                    break
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
        yield _end(meter.over or "whole")


class _Meter:
    """Lets frames through, in pieces that cost little, until the job's time is used up; what was shown is told then."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.given = 0
        self.over = ""

    def within(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Give the frames that there is time for."""
        for frame in frames:
            for start in range(0, max(1, len(frame.payload)), PIECE):
                if time.process_time() > self._job.cpu_seconds:
                    self.over = "time"
                    return
                whole = len(frame.payload) <= PIECE or frame.type not in STREAMS
                yield frame if whole else replace(frame, payload=frame.payload[start : start + PIECE])
                if whole:
                    break


def _end(how: str, why: str = "") -> str:
    return json.dumps({"end": how, "why": why[:500]})


def main() -> None:
    """Do the one job that standard input names."""
    told: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    job = Job(**told)
    confine(nice=NICE, cpu_seconds=job.cpu_seconds + SPARE_SECONDS, memory_bytes=job.memory_bytes)
    for line in answers(job):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # what was rendered before a bound ends the process counts


if __name__ == "__main__":
    main()
