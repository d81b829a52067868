"""Samples the gateway's main thread while it works. Python imports this by its name where PYTHONPATH leads here.

The timer counts the CPU time of the whole process, so that an idle gateway is never interrupted. SIGUSR2 writes what
was sampled to the file that BENCH_SAMPLES names, and forgets it.
"""

import json
import os
import signal
import sys
import threading
from collections import Counter
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

INTERVAL_SECONDS = 0.001
DEPTH = 60


class Sampler:
    """Counts which function runs, and which ones called it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._alone: Counter[str] = Counter()
        self._within: Counter[str] = Counter()
        self._samples = 0
        self._cpu = _thread_seconds()

    def begin(self) -> None:
        """Sample from now on."""
        signal.signal(signal.SIGUSR2, self._write)
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        names: list[str] = []
        while frame is not None and len(names) < DEPTH:
            names.append(_name(frame.f_code))
            frame = frame.f_back
        self._samples += 1
        self._alone[names[0]] += 1
        self._within.update(set(names))

    def _write(self, _number: int, _frame: FrameType | None) -> None:
        now = _thread_seconds()
        document = {
            "samples": self._samples,
            "alone": self._alone.most_common(60),
            "within": self._within.most_common(60),
            "threads": {name: seconds - self._cpu.get(name, 0.0) for name, seconds in now.items()},
        }
        draft = self._target.with_suffix(".draft")
        draft.write_text(json.dumps(document))
        draft.replace(self._target)
        self._alone.clear()
        self._within.clear()
        self._samples, self._cpu = 0, now


@cache
def _name(code: CodeType) -> str:
    return f"{Path(code.co_filename).name}:{code.co_qualname}"


def _thread_seconds() -> dict[str, float]:
    """Return the user and system seconds of each thread, those of a pool together."""
    seconds: dict[str, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    names = {
        thread.native_id: thread.name.rpartition("_")[0] or thread.name for thread in threading.enumerate()
    }
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        name = names.get(int(task.name), "others")
        for kind, ticks in (("user", fields[11]), ("system", fields[12])):
            seconds[f"{name}, {kind}"] = seconds.get(f"{name}, {kind}", 0.0) + int(ticks) / tick
    return seconds


if "BENCH_SAMPLES" in os.environ and "gateway" in sys.orig_argv:
    Sampler(Path(os.environ["BENCH_SAMPLES"])).begin()
