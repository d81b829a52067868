"""One direction of a relay: open unless somebody has a reason to hold it."""

from collections.abc import Callable


class Valve:
    """Holds a set of reasons; reading is paused while there is one."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call *pause* at the first reason and *resume* when the last one is gone."""
        self._pause = pause
        self._resume = resume
        self._reasons: set[str] = set()

    @property
    def held(self) -> bool:
        """Whether somebody holds it."""
        return bool(self._reasons)

    def hold(self, reason: str) -> None:
        """Stop the flow for *reason*."""
        if not self._reasons:
            self._pause()
        self._reasons.add(reason)

    def release(self, reason: str) -> None:
        """Withdraw *reason*."""
        if reason not in self._reasons:
            return
        self._reasons.discard(reason)
        if not self._reasons:
            self._resume()

    def apply(self) -> None:
        """Pause again where somebody else has resumed the flow meanwhile."""
        if self._reasons:
            self._pause()
