"""What a person sends on standard input of a command of the gateway: so much, for so long, and no more."""

import asyncio

from gateway.session.valve import Valve

LONGEST = 64 * 1024
READING_SECONDS = 300.0


def _nothing() -> None:
    return None


class Reading:
    """Takes a channel's bytes until its end of file."""

    def __init__(self) -> None:
        """Begin with nothing; what comes before this serves the channel is not heard."""
        self._taken = bytearray()
        self._over = asyncio.Event()
        self.to_person = Valve(_nothing, _nothing)

    async def whole(self) -> bytes:
        """Return what came, one byte more than ``LONGEST`` at most; nothing where its end never came."""
        try:
            async with asyncio.timeout(READING_SECONDS):
                await self._over.wait()
        except TimeoutError:
            return b""
        return bytes(self._taken)

    # --- events of the channel ----------------------------------------------------------------------------

    def typed(self, data: bytes) -> None:
        """Take bytes; what is too long need not be read to its end."""
        self._taken += data[: LONGEST + 1 - len(self._taken)]
        if len(self._taken) > LONGEST:
            self._over.set()

    def person_eof(self) -> None:
        """She sends no more."""
        self._over.set()

    def resized(self, width: int, height: int, pixel_width: int, pixel_height: int) -> None:
        """A size means nothing here."""

    def signalled(self, name: str) -> None:
        """A signal means nothing here."""

    def broke(self, milliseconds: int) -> None:
        """A break means nothing here."""

    def person_hung_up(self) -> None:
        """She closed her channel: what she sent so far is not her whole text."""
        self._taken.clear()
        self._over.set()

    def person_closed(self) -> None:
        """Her channel is gone."""
        self.person_hung_up()
