"""How long a viewer may go on while nobody can say whether she may."""

import time
from collections.abc import Callable
from typing import Final

from admin_api.live.follow import Standing

UNAVAILABLE: Final = "unavailable"
SECONDS: Final = 10.0


class Patience:
    """Lets a viewer who was allowed outlast an answer that does not come; who never was waits outside.

    A database that is slow for a moment must not end every watch, least of all in a crisis. A right that is taken away
    meanwhile is obeyed with the next answer, or after `SECONDS` without one.
    """

    def __init__(self, standing: Standing, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ask *standing*, whose answer ``unavailable`` is believed only once it has lasted `SECONDS`."""
        self._standing = standing
        self._monotonic = monotonic
        self._allowed = False
        self._since: float | None = None

    async def standing(self) -> str | None:
        """Tell why the viewer must go now; None: she may stay."""
        why = await self._standing()
        if why != UNAVAILABLE:
            self._allowed, self._since = self._allowed or why is None, None
            return why
        now = self._monotonic()
        self._since = now if self._since is None else self._since
        return None if self._allowed and now - self._since < SECONDS else why
