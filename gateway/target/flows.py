"""The way to a device in the network filter: opened before it is dialled, and closed with the connection (rule T8).

The gateway cannot change the filter. It asks a broker that can, by one connection of a Unix socket for each way: one
line of JSON, ``{"address": …, "port": …, "seconds": …}``, is answered by one, ``{"open": SECONDS}`` or ``{"refused":
WORD}``, and the way is open until the connection is closed by either side. So a gateway that is killed leaves nothing.
"""

import asyncio
import json
import math
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Protocol

import structlog
from typing_extensions import override

from gateway.errors import FlowRefused

LONGEST_SECONDS: Final = 86_400
"""A way is asked for by the day at most, as the broker has it; a longer session asks again."""
MARGIN: Final = 5.0
"""Seconds before a way is over at which it is asked for again, where it may be used longer."""
LOOK: Final = 1.0
"""Within the margin: how often the session is looked at for a window that was extended at the last moment."""
PATIENCE: Final = 6.0
"""Seconds that the broker has for an answer."""
RETURN: Final = 10.0
"""Seconds that a broker has to come back in which it was restarted; packets wait meanwhile, as on a bad line."""
RETRY: Final = 0.25
AT_ONCE: Final = 64
"""Questions under way: where a Unix socket has no more room, asyncio takes "try again" for "connected"."""

Left = Callable[[], float]
"""Tells for how many seconds from now a way may still be used."""
_log = structlog.get_logger()


class Flow(Protocol):
    """One open way. ``on_lost`` is called where it ends before its time."""

    on_lost: Callable[[], None]

    def close(self) -> None:
        """Close it; again and again does no harm."""
        ...


class Flows(Protocol):
    """Opens ways."""

    async def open(self, address: str, port: int, left: Left) -> Flow:
        """Let *address* and *port* be dialled for *left* seconds, asked again before they are over. Raises FlowRefused."""
        ...


class _NoFlow:
    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = _nothing

    def close(self) -> None:
        """Close nothing."""


class Unfiltered:
    """No filter of ours: every way is open."""

    async def open(self, _address: str, _port: int, _left: Left) -> Flow:
        """Open nothing."""
        return _NoFlow()


UNFILTERED: Final = Unfiltered()


class FlowBroker:
    """Asks the broker at a Unix socket."""

    def __init__(self, path: Path) -> None:
        """Ask at *path*."""
        self._path = path
        self._turns = asyncio.Semaphore(AT_ONCE)

    @staticmethod
    def at(path: Path | None) -> Flows:
        """Return the broker at *path*; without one, nothing is asked."""
        return UNFILTERED if path is None else FlowBroker(path)

    async def open(self, address: str, port: int, left: Left) -> Flow:
        """As in `Flows`."""
        flow = _HeldFlow(self._path, self._turns, str(ip_address(address)), port, left)
        await flow.begin()
        return flow


class _HeldFlow(_NoFlow):
    """A way that lasts as long as its connection to the broker."""

    def __init__(self, path: Path, turns: asyncio.Semaphore, address: str, port: int, left: Left) -> None:
        super().__init__()
        self._path = path
        self._turns = turns
        self._address = address
        self._port = port
        self._left = left
        self._over = 0.0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Open it, and look after it from then on. Raises FlowRefused."""
        await self._ask()
        self._keeping = asyncio.create_task(self._keep())

    @override
    def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _keep(self) -> None:
        """Ask again where the broker has gone, and where the way may be used for longer than was asked."""
        while True:
            remaining = self._over - _now()
            gone = await self._gone_within(max(LOOK, remaining - MARGIN))
            if gone and self._left() <= 0:
                return
            if gone or self._left() > self._over - _now() + LOOK:
                try:
                    await self._ask_again()
                except FlowRefused as refused:
                    _log.warning("flow.lost", address=self._address, port=self._port, error=refused.detail)
                    self.on_lost()
                    return

    async def _gone_within(self, seconds: float) -> bool:
        if self._reader is None:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with suppress(ConnectionError):
                    await self._reader.read(1)
                return True
        return False

    async def _ask_again(self) -> None:
        deadline = _now() + RETURN
        while True:
            try:
                return await self._ask()
            except FlowRefused:
                if _now() >= deadline:
                    raise
            await asyncio.sleep(RETRY)

    async def _ask(self) -> None:
        """Ask for what is left, and hold to the answer's connection in place of an earlier one. Raises FlowRefused."""
        seconds = math.ceil(min(self._left(), LONGEST_SECONDS))
        if seconds <= 0:
            raise FlowRefused("the time for it is over")
        asked = {"address": self._address, "port": self._port, "seconds": seconds}
        writer: asyncio.StreamWriter | None = None
        try:
            async with self._turns, asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_unix_connection(self._path)
                writer.write(json.dumps(asked).encode() + b"\n")
                answer = json.loads(await reader.readline() or b"{}")
        except BaseException as error:
            if writer is not None:
                writer.close()
            if isinstance(error, OSError | ValueError):  # TimeoutError is an OSError
                raise FlowRefused(f"the flow broker does not answer at {self._path}: {error!r}") from error
            raise
        if answer != {"open": seconds}:
            writer.close()
            raise FlowRefused(_meaning(answer, self._address, self._port))
        before, self._reader, self._writer = self._writer, reader, writer
        self._over = _now() + seconds
        if before is not None:
            before.close()


def _meaning(answer: object, address: str, port: int) -> str:
    word = str(answer.get("refused", "nothing")) if isinstance(answer, dict) else "nothing"
    if word == "unregistered":
        return f"{address} port {port} is not in the flow broker's register: run 'ecluse flows export' again"
    return f"the flow broker answers {word[:40]!r}"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _nothing() -> None:
    return None
