"""HTTP inside a process that has more to do: uvicorn without its signal handlers, on a port that is held first."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Final

import uvicorn
from typing_extensions import override

from ecluse.processes.start import listening

BACKLOG: Final = 200
_START_POLL_SECONDS: Final = 0.02


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own, and closes its stores after serving."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def ready(self, serving: "asyncio.Task[None]") -> None:
        """Wait until it serves, or until *serving*, which runs it, has ended."""
        while not (self.started or serving.done()):  # noqa: ASYNC110 - uvicorn offers no event to wait for
            await asyncio.sleep(_START_POLL_SECONDS)


@contextlib.contextmanager
def bound(
    section: str, host: str, port: int, prefix: str = "", handed: Sequence[socket.socket] = ()
) -> Iterator[Sequence[socket.socket]]:
    """Hold *port* before anything is served: uvicorn would end the process where it is taken.

    What was *handed* over by the service manager is listened on, and nothing else.
    Raises StartError, which names ``<section>.<prefix>host`` and ``<section>.<prefix>port``.
    """
    if handed:
        yield handed
        return
    with listening(section, host, port, prefix):
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        found = socket.create_server((host, port), family=family, backlog=BACKLOG)
    try:
        yield [found]
    finally:
        found.close()
