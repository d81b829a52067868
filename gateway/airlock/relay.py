"""The relay: inside, holding connections open to each front, and bringing what comes through them to the gateway.

Where it brings anything is said by its own settings alone. A front can choose nothing, and say nothing but a client's
bytes and, in the header before them, from where she came.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from gateway.airlock.settings import RelaySettings
from gateway.airlock.way import CHUNK, GONE, Stream, join

FIRST_RETRY_SECONDS = 0.5

_log = structlog.get_logger()


class _FrontUnknown(OSError):
    """What answers does not show a front's certificate."""


class Relay:
    """One relay. ``start``, then ``drain``."""

    def __init__(self, settings: RelaySettings) -> None:
        """Dial by *settings*, once started."""
        self._settings = settings
        self._dialling: set[asyncio.Task[None]] = set()
        self._joined: set[asyncio.Task[None]] = set()
        self._ready = 0
        self._failing: set[tuple[str, int]] = set()

    @property
    def ready(self) -> int:
        """How many connections wait at the fronts."""
        return self._ready

    @property
    def unreached(self) -> frozenset[tuple[str, int]]:
        """The fronts that could not be reached, or were not believed, when last dialled."""
        return frozenset(self._failing)

    @property
    def clients(self) -> int:
        """How many clients are inside."""
        return len(self._joined)

    def start(self) -> None:
        """Begin to dial each front, as many times as the settings say, again and again."""
        for front in self._settings.fronts:
            for _ in range(self._settings.waiting):
                self._run(self._dialling, self._keep(front))

    async def drain(self) -> None:
        """Dial no more, wait for those inside as long as the settings say, then close everything."""
        await _end(self._dialling)
        if self._joined:
            await asyncio.wait(self._joined, timeout=self._settings.drain_seconds)
        await _end(self._joined)

    async def _keep(self, front: tuple[str, int]) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            if await self._serve(front):
                pause = FIRST_RETRY_SECONDS
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._settings.slowest_retry_seconds)

    async def _serve(self, front: tuple[str, int]) -> bool:
        """Hold one connection open at *front*; True when a client came through it, False where it failed or was closed unused."""
        try:
            stream = await self._dial(front)
        except (*GONE, TimeoutError) as error:
            self._failed(front, "airlock.front_unreachable", str(error) or "late")
            return False
        try:
            return await self._wait(front, stream)
        except BaseException:
            stream.abort()
            raise

    def _failed(self, front: tuple[str, int], event: str, error: str) -> None:
        """Log what went wrong with *front*, once until it is reached again."""
        if front not in self._failing:
            self._failing.add(front)
            _log.warning(event, front=front[0], port=front[1], error=error)

    async def _dial(self, front: tuple[str, int]) -> Stream:
        async with asyncio.timeout(self._settings.connect_seconds):
            stream = Stream(
                *await asyncio.open_connection(*front, ssl=self._settings.tls, server_hostname=front[0])
            )
        if not stream.is_of(self._settings.front_digests):
            stream.abort()
            raise _FrontUnknown("it shows a certificate that is not the front's")
        stream.keep_alive()
        return stream

    async def _wait(self, front: tuple[str, int], stream: Stream) -> bool:
        """Wait on *stream* for a client; True when one came, who is brought to the gateway beside."""
        self._ready += 1
        heard = asyncio.create_task(stream.reader.read(CHUNK))
        try:
            if front in self._failing:
                # TLS 1.3: a front that refuses our certificate says so only when it is read
                await asyncio.wait({heard}, timeout=FIRST_RETRY_SECONDS)
                if not heard.done() or not heard.exception():
                    self._failing.discard(front)
                    _log.info("airlock.front_reached", front=front[0], port=front[1])
            if not await heard:
                stream.abort()
                return False
        except GONE as error:
            self._failed(front, "airlock.front_left", str(error))
            stream.abort()
            return False
        finally:
            heard.cancel()
            self._ready -= 1
        self._run(self._joined, self._bring(stream, heard))
        return True

    async def _bring(self, stream: Stream, heard: "asyncio.Task[bytes]") -> None:
        told = self._settings
        try:
            async with asyncio.timeout(told.connect_seconds):
                gateway = Stream(*await asyncio.open_connection(told.gateway_host, told.gateway_port))
        except (OSError, TimeoutError) as error:
            _log.error("airlock.gateway_unreachable", error=str(error) or "late")
            stream.abort()
            return
        await join(gateway, stream, heard)

    @staticmethod
    def _run(group: "set[asyncio.Task[None]]", work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)


async def _end(group: "set[asyncio.Task[None]]") -> None:
    tasks = list(group)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
