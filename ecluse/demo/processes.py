"""Processes of this machine as /proc shows them: who descends from whom, and who carries a mark."""

import os
import shutil
import signal
from functools import cache
from pathlib import Path

PROC = Path("/proc")
_PIECE = 1 << 16


def identity() -> str:
    """Name this process for good: its pid, when it started, and the namespace in which the pid counts."""
    return _identity(os.getpid())


def is_over(who: str) -> bool:
    """Tell whether the process that called itself *who* (an `identity`) has ended; one of elsewhere is not known to."""
    pid, _, rest = who.partition(".")
    if not pid.isdigit() or rest.rpartition(".")[2] != _namespace():
        return False
    return not is_alive(int(pid)) or _identity(int(pid)) != who


@cache
def with_us() -> tuple[str, ...]:
    """Return what to put before a command so that it gets SIGTERM when the thread that starts it ends, however."""
    program = shutil.which("setpriv")
    return () if program is None else (program, "--pdeathsig=TERM", "--")


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
    return {pid for pid in _pids() if wanted in (_file(pid, "environ") or b"").split(b"\0") and is_alive(pid)}


def environments() -> dict[int, list[bytes]]:
    """Give the environment that each living process had at its start; those of other users are left out."""
    read = ((pid, _file(pid, "environ")) for pid in _pids())
    return {pid: environment.split(b"\0") for pid, environment in read if environment and is_alive(pid)}


def send(pids: set[int], number: signal.Signals) -> None:
    """Send a signal to each of *pids*; those that have gone meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir(PROC) if entry.name.isdigit()]


def _file(pid: int, name: str) -> bytes | None:
    """Give what the kernel tells of *pid* in that file, or None when it has gone or is another user's.

    Unbuffered and by plain calls: a device that stops reads two such files of every process, several times.
    """
    try:
        opened = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        read = b""
        while piece := os.read(opened, _PIECE):
            read += piece
    except OSError:
        return None
    finally:
        os.close(opened)
    return read


def _identity(pid: int) -> str:
    try:
        # proc(5), /proc/pid/stat: the 22nd field is the clock tick of the start
        started = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = "gone"
    return f"{pid}.{started}.{_namespace()}"


def _namespace() -> str:
    return str((PROC / "self" / "ns" / "pid").stat().st_ino)


def _status(pid: int) -> tuple[str, int] | None:
    """Give the state letter and the parent of *pid* (proc(5), /proc/pid/stat), or None when it has gone."""
    told = _file(pid, "stat")
    if told is None:
        return None
    state, parent, *_ = told.rpartition(b")")[2].split()
    return state.decode(), int(parent)
