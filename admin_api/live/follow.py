"""One viewer of one live session: what came before as a screen or played, then what comes, as it comes.

The viewer is never waited for by anybody but this: what she is too slow for is left out, and the screen that it left
behind is drawn instead. Nothing piles up, for the store has it all.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from admin_api.live.channels import Channel, Channels
from admin_api.live.drawing import artist
from recorder.errors import RecorderError, StoreUnavailable, TraceNotFound, TraceSealed
from recorder.replay.asciicast import Event
from recorder.replay.live import LiveTrace
from recorder.replay.picture import Picture
from recorder.replay.timeline import Teller
from recorder.trace.frames import Frame, FrameType

ROUND_SECONDS: Final = 0.15
"""How often it is looked whether the trace has grown."""
CHECK_SECONDS: Final = 1.0
"""How often it is asked whether the viewer may go on."""
BEAT_SECONDS: Final = 5.0
FLOOD: Final = 128 << 10
"""Characters of one round from which on the screen is drawn instead: no eye follows them."""
LONGEST_PAUSE: Final = 1.0
"""Seconds, at the trace's own pace, to which a pause of the past is cut."""
_CATCHING_SECONDS: Final = 1.0
_DRAWING_SECONDS: Final = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Screen:
    """What the screen shows now. ``skipped``: characters that passed and were not shown; 0 for who just came."""

    picture: Picture
    channel: int | None
    skipped: int


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened: ``o`` output, ``r`` a size, ``m`` a mark. Output is the device's own."""

    at_us: int
    code: str
    data: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The channels that there are, and which one is shown."""

    channels: tuple[Channel, ...]
    shown: int | None


@dataclass(frozen=True, slots=True)
class Noted:
    """What the viewer must know: ``live`` from here on it is now, ``waiting`` the store does not answer, ``beat``."""

    what: str


@dataclass(frozen=True, slots=True)
class Over:
    """It is over: ``ended`` with the sentence of the trace's end, or why the viewer sees no more."""

    why: str
    sentence: str = ""


Shown: TypeAlias = Screen | Happened | Listed | Noted | Over
Standing: TypeAlias = Callable[[], Awaitable[str | None]]
"""Tells why the viewer must go now; None: she may stay."""


class Follower:
    """Follows one live trace for one viewer."""

    def __init__(
        self,
        trace: LiveTrace,
        teller: Teller,
        standing: Standing,
        *,
        channel: int | None = None,
        speed: float | None = None,
    ) -> None:
        """Show *channel* of *trace*, the newest one where that is None, as long as *standing* allows.

        *speed*: play the past first, so many times faster than it was and without its long pauses; None: from now on.
        """
        self._trace = trace
        self._teller = teller
        self._standing = standing
        self._wanted = channel
        self._channel = channel
        self._speed = speed
        self._channels = Channels(teller)
        self._end: Frame | None = None
        self._checked = self._said = time.monotonic()
        self._waiting = self._told_waiting = False

    async def shown(self) -> AsyncGenerator[Shown, None]:
        """Yield what the viewer is shown; the last is an `Over`."""
        try:
            why = await self._standing()
            if why is None and self._speed is not None:
                async for one in self._past(self._speed):
                    yield one
            joining = True
            while why is None and self._end is None:
                async for one in self._round(joining=joining):
                    self._said = time.monotonic()
                    yield one
                joining = joining and self._trace.header is None
                if time.monotonic() - self._said >= BEAT_SECONDS:
                    self._said = time.monotonic()
                    yield Noted("beat")
                if self._end is None:
                    await asyncio.sleep(ROUND_SECONDS)
                why = await self._asked()
            yield self._over(why)
        except TraceSealed:
            yield Over("locked")
        except RecorderError as broken:
            log.warning("live.unreadable", error=str(broken))
            yield Over("unreadable")

    async def _past(self, speed: float) -> AsyncIterator[Shown]:
        """Play what there is already, and what comes meanwhile, until nothing more is there."""
        before: int | None = None
        begun = False
        while self._end is None:
            frames = await self._grown()
            for event in self._events(frames):
                if before is not None and event.at_us > before:
                    pause = min((event.at_us - before) / 1_000_000, LONGEST_PAUSE) / speed
                    await asyncio.sleep(pause)
                    if await self._asked() is not None:
                        return
                before = event.at_us
                if not begun:
                    begun = True
                    tape = self._channels.tape(self._channel or 0)
                    yield Screen(Picture(*tape.first, ""), self._channel, 0)
                if self._channels.changed:
                    yield self._listed()
                yield Happened(event.at_us, event.code, event.data)
            if self._trace.caught_up and not frames:
                return
            if await self._asked() is not None:
                return

    async def _round(self, *, joining: bool) -> AsyncIterator[Shown]:
        """Yield what came since; *joining*: draw what was there before instead."""
        events: list[Event] = []
        size, was = 0, self._channel
        until = time.monotonic() + _CATCHING_SECONDS
        while True:
            frames = await self._grown()
            for event in self._events(frames):
                size += len(event.data)
                events.append(event)
            if size > FLOOD or joining:
                events.clear()  # it is on the tape
            catching = joining or time.monotonic() < until
            if self._end is not None or not catching or (self._trace.caught_up and not frames):
                break
            if joining and await self._asked() is not None:
                return
        if self._waiting != self._told_waiting:
            self._told_waiting = self._waiting
            yield Noted("waiting" if self._waiting else "back")
        if self._trace.header is None:
            return
        if joining or self._channel is None:
            self._channel = self._channels.newest() if self._wanted is None else self._wanted
        if joining or self._channels.changed or was != self._channel:
            yield self._listed()
        if joining or size > FLOOD or was != self._channel:
            yield Screen(await self._drawn(), self._channel, 0 if joining or size <= FLOOD else size)
            if joining:
                yield Noted("live")
            return
        for event in events:
            yield Happened(event.at_us, event.code, event.data)

    def _events(self, frames: Sequence[Frame]) -> list[Event]:
        """Take *frames*, and return what the viewer sees of them."""
        found: list[Event] = []
        for frame in frames:
            if frame.type is FrameType.END:
                self._end = frame
            for number, event in self._channels.take(frame):
                self._follow_on(number, event)
                if number in {0, self._channel} and event.code != "x":
                    found.append(event)
        return found

    def _follow_on(self, number: int, event: Event) -> None:
        """Go on to another channel, where none was asked for and the one that is shown is over."""
        if self._wanted is not None or number in {0, self._channel} or event.code != "o":
            return
        if self._channel is None or not self._channels.is_open(self._channel):
            self._channel = self._channels.newest()

    async def _grown(self) -> list[Frame]:
        try:
            frames = await asyncio.to_thread(self._trace.grown)
        except (StoreUnavailable, TraceNotFound):
            self._trace.caught_up = True
            self._waiting = True
            return []
        self._waiting = False
        return frames

    async def _asked(self) -> str | None:
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return None
        why = await self._standing()
        self._checked = time.monotonic()
        return why

    async def _drawn(self) -> Picture:
        tape = self._channels.tape(self._channel or 0)
        try:
            async with asyncio.timeout(_DRAWING_SECONDS), artist() as drawing:
                await drawing.begin(*tape.first)
                picture = await drawing.draw(tape.happened())
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as broken:
            log.warning("live.undrawn", error=type(broken).__name__)
            picture = Picture(tape.columns, tape.rows, "")
        tape.restart(picture)
        return picture

    def _listed(self) -> Listed:
        self._channels.changed = False
        return Listed(self._channels.listed(), self._channel)

    def _over(self, why: str | None) -> Over:
        if self._end is not None:
            return Over("ended", self._teller.event(self._end))
        return Over(why or "ended")
