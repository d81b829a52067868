"""The menu on a person's terminal: what is open now, until she chooses, leaves, or nothing is left."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from gateway.context import GatewayContext
from gateway.server.channel import PersonChannel
from gateway.server.menu import Menu, MenuStep
from gateway.session.request import ChannelRequest
from gateway.session.valve import Valve
from policy.domain.access import Opening
from policy.domain.people import Person

LOOK_SECONDS = 1.0
WARNING_SECONDS = 60.0
"""How long before its greatest age the menu says so; half of that age where it is shorter."""
AHEAD = 64
"""Steps that wait to be shown; what is typed further ahead is not heard."""
HEARD_BYTES = 256
"""Keys heard of what arrives at once: nobody types faster, and each line of a few bytes asks for an answer of a hundred."""


class Lobby:
    """Serves one channel without a device."""

    def __init__(
        self,
        context: GatewayContext,
        person: Person,
        channel: PersonChannel,
        request: ChannelRequest,
        openings: Callable[[], Awaitable[list[Opening] | None]],
    ) -> None:
        """Show the menu on *channel*; *openings* tells what is open to *person* now, None where policy cannot be asked."""
        self._openings = openings
        self._context = context
        self._person = person
        self._channel = channel
        columns = request.pty.size[0] if request.pty is not None else 0
        self._menu = Menu(person, context.wording.hospital, context.catalog, columns=columns)
        self._steps: asyncio.Queue[MenuStep] = asyncio.Queue()
        self._began = self._last_key = context.monotonic()
        self._warned = False
        # who does not read what the menu answers is not heard either, or the answers would pile up here
        self.to_person = Valve(channel.channel.pause_reading, channel.channel.resume_reading)

    async def choose(self) -> tuple[str, str] | None:
        """Serve the menu until a device and account are chosen; None when she leaves or takes too long."""
        self._channel.accept()
        self._channel.server = self
        self._channel.write(self._menu.show(await self._openings()))
        while not self._channel.closed:
            step = await self._next()
            self._channel.write(step.output)
            if step.chosen is not None:
                self._channel.server = None
                return step.chosen
            if step.quit:
                return None
            if step.refresh:
                self._channel.write(self._menu.show(await self._openings()))
        return None

    async def _next(self) -> MenuStep:
        while True:
            step: MenuStep | None
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    step = await self._steps.get()
            except TimeoutError:
                step = self._look()
            step = self._aged(step)  # whoever goes on typing grows older too
            if step is not None:
                return step

    def _aged(self, step: MenuStep | None) -> MenuStep | None:
        """Return *step* with the warning that the menu is old, or its end where it is too old."""
        limit, language = self._context.settings.menu_seconds, self._person.language
        left = self._began + limit - self._context.monotonic()
        if left <= 0:
            text = self._context.wording.refused("end.menu-age", language, limit=timedelta(seconds=limit))
            return MenuStep("\r\n".join(["", *text.splitlines(), ""]).encode(), quit=True)
        final = step is not None and (step.quit or step.chosen is not None)
        if self._warned or final or left > min(WARNING_SECONDS, limit / 2):
            return step
        self._warned = True
        remaining = timedelta(seconds=round(left))
        text = self._context.wording.say("warning.menu-age", language, remaining=remaining)
        warning = self._menu.interrupt(text)
        return replace(step, output=step.output + warning) if step is not None else MenuStep(warning)

    def _look(self) -> MenuStep | None:
        idle = self._context.monotonic() - self._last_key
        if idle > self._context.settings.idle_connection_seconds:
            text = self._context.wording.say("end.nothing-open", self._person.language)
            return MenuStep(f"\r\n{text}\r\n".encode(), quit=True)
        step = self._menu.tick(self._context.clock.now())
        return step if step.quit or step.refresh or self._channel.closed else None

    def dismiss(self, text: str) -> None:
        """Leave the menu with *text*, whatever was about to be chosen."""
        self._steps.put_nowait(MenuStep(f"\r\n{text}\r\n".encode(), quit=True))

    # --- events of the channel ----------------------------------------------------------------------------

    def typed(self, data: bytes) -> None:
        """Take keystrokes."""
        self._last_key = self._context.monotonic()
        if self._steps.qsize() >= AHEAD:
            return
        step = self._menu.feed(data[:HEARD_BYTES])
        if step != MenuStep():
            self._steps.put_nowait(step)
            if step.chosen is not None:
                self._channel.channel.pause_reading()  # what follows is for the device

    def person_eof(self) -> None:
        """She sends no more: that is leaving."""
        self._steps.put_nowait(MenuStep(quit=True))

    def resized(self, width: int, height: int, pixel_width: int, pixel_height: int) -> None:
        """Cut the next list to the new width."""
        del height, pixel_width, pixel_height
        self._menu.resize(width)

    def signalled(self, name: str) -> None:
        """A signal leaves the menu."""
        del name
        self._steps.put_nowait(MenuStep(quit=True))

    def broke(self, milliseconds: int) -> None:
        """A break means nothing to the menu."""

    def person_hung_up(self) -> None:
        """She closed her channel."""
        self._steps.put_nowait(MenuStep(quit=True))

    def person_closed(self) -> None:
        """Her channel is gone."""
        self._steps.put_nowait(MenuStep(quit=True))
