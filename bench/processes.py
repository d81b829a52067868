"""What processes cost, as /proc shows it."""

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time that *pids* have used, with that of the children they have reaped.

    A child that still runs counts only if it is one of *pids*; one that has gone meanwhile counts with its parent.
    """
    ticks = 0
    for pid in pids:
        try:
            text = (PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            continue
        # proc(5), after the name: utime, stime, cutime and cstime are fields 14 to 17, the first here is 3
        ticks += sum(int(field) for field in text.rpartition(")")[2].split()[11:15])
    return ticks / TICKS


def resident(pid: int) -> int:
    """Return the resident bytes of *pid*."""
    return _kib(PROC / str(pid) / "status", "VmRSS:") * 1024


def proportional(pids: Iterable[int]) -> int:
    """Return the bytes that *pids* hold together, a page shared with others counted in its share."""
    held = 0
    for pid in pids:
        try:
            held += _kib(PROC / str(pid) / "smaps_rollup", "Pss:") * 1024
        except OSError:
            continue
    return held


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, load before the run, versions."""
    cpu = "unknown processor"
    for line in (PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    shown = subprocess.run(["ssh", "-V"], check=True, capture_output=True, text=True, timeout=10)
    return {
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "kernel": platform.release(),
        "OpenSSH": shown.stderr.split(",")[0].strip(),
        "Python": f"{platform.python_version()}, asyncssh {version('asyncssh')}",
    }


def _kib(path: Path, key: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0
