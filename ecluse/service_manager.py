"""What the machine's service manager (systemd) and a process tell each other: sockets, readiness, signs of life.

Three small protocols, by environment variables and one datagram socket: sd_listen_fds(3), sd_notify(3) and
sd_watchdog_enabled(3). Whoever was started by hand finds none of the variables, and nothing is said to anybody.
"""

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack

import structlog

from ecluse.errors import StartError

FIRST_DESCRIPTOR = 3
INHERITED = "ECLUSE_INHERITED"
"""Numbers of the descriptors that a process hands over to its successor, where LISTEN_FDS would want 3 and on."""
MICROSECONDS = 1_000_000
LONG_STOP_SECONDS = 30
"""For how much longer each sign of life asks the manager to wait for a process that drains."""

_log = structlog.get_logger()


def handed_over(environment: MutableMapping[str, str] | None = None) -> list[socket.socket]:
    """Take the listening sockets that the manager, or a predecessor, holds for this process; none where none are held.

    The variables are taken out of *environment* (the process's own), so that no child takes the sockets for its.
    The manager keeps them: who connects while no process listens waits, and is not refused.

    Raises StartError where one of them is no TCP socket that listens.
    """
    variables = os.environ if environment is None else environment
    told = {name: variables.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")}
    inherited = variables.pop(INHERITED, "")
    if inherited:
        numbers = [int(number) for number in inherited.split(",")]
    elif told["PID"] == str(os.getpid()) and told["FDS"].isdecimal():
        numbers = list(range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(told["FDS"])))
    else:
        return []
    with ExitStack() as undo:
        taken = []
        for number in numbers:
            try:
                os.set_inheritable(number, False)
                one = undo.enter_context(socket.socket(fileno=number))
                listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            except OSError as error:
                raise StartError("start.socket", number=number, why=error.strerror or str(error)) from error
            if not (listens and one.family in {socket.AF_INET, socket.AF_INET6}):
                raise StartError("start.socket", number=number, why="ListenStream=")
            one.setblocking(False)
            taken.append(one)
        undo.pop_all()
    return taken


class ServiceManager:
    """Tells the manager how this process does, where it wants to know."""

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        """Read what the manager wants out of *environment* (the process's own), and take it out of there."""
        variables = os.environ if environment is None else environment
        kept = ("NOTIFY_SOCKET", "WATCHDOG_USEC")
        self.for_a_successor = {name: variables[name] for name in kept if name in variables}
        self._address = variables.pop("NOTIFY_SOCKET", "")
        microseconds, pid = variables.pop("WATCHDOG_USEC", ""), variables.pop("WATCHDOG_PID", "")
        mine = pid in {"", str(os.getpid())}
        self.watchdog_seconds = (
            int(microseconds) / MICROSECONDS if mine and microseconds.isdecimal() else None
        )

    def tell(self, *facts: str) -> None:
        """Send *facts* (``READY=1``); a manager that cannot be told is logged, and keeps nobody from serving."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.setblocking(False)
                way.sendto("\n".join(facts).encode(), name)
        except OSError as error:
            _log.warning("manager.not_told", facts=facts, error=str(error))

    async def signs_of_life(self, alive: Callable[[], bool] = lambda: True) -> None:
        """Give the watchdog a sign twice in its time, from the loop that serves, while *alive*; for ever.

        A loop that hangs gives none, and the manager starts the process again. Returns at once without a watchdog.
        """
        if self.watchdog_seconds is None:
            return
        while True:
            if alive():
                self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 2)

    async def draining(self, left: Callable[[], int]) -> None:
        """Ask for more time to stop, again and again, and show how many sessions are *left*; for ever."""
        while True:
            self.tell(
                "STOPPING=1",
                f"EXTEND_TIMEOUT_USEC={LONG_STOP_SECONDS * MICROSECONDS}",
                f"STATUS=draining, {left()} sessions left",
            )
            await asyncio.sleep(LONG_STOP_SECONDS / 3)
