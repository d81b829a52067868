"""Processes of this machine as /proc shows them: who descends from whom, and who carries a mark."""

import os
import signal
from pathlib import Path

PROC = Path("/proc")


def is_alive(pid: int) -> bool:
    """Tell whether *pid* runs; a zombie, which waits only to be reaped, does not."""
    status = _status(pid)
    return status is not None and status[0] not in {"Z", "X"}


def descendants(ancestor: int) -> set[int]:
    """Give the living children of *ancestor*, and theirs, without itself."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        status = _status(pid)
        if status is not None:
            children.setdefault(status[1], []).append(pid)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return {pid for pid in found if is_alive(pid)}


def carrying(mark: str) -> set[int]:
    """Give the living processes whose environment held the entry *mark* (``NAME=value``) when they started.

    This finds those that lost their parent, too. Processes of other users cannot be read and are left out.
    """
    wanted = os.fsencode(mark)
    found: set[int] = set()
    for pid in _pids():
        try:
            environment = (PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and is_alive(pid):
            found.add(pid)
    return found


def send(pids: set[int], number: signal.Signals) -> None:
    """Send a signal to each of *pids*; those that have gone meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _status(pid: int) -> tuple[str, int] | None:
    """Give the state letter and the parent of *pid* (proc(5), /proc/pid/stat), or None when it has gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, parent, *_ = text.rpartition(")")[2].split()
    return state, int(parent)
