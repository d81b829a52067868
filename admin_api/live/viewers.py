"""Who watches now, in this process: bounded, so that watching never takes the console from those who must act."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from policy.errors import Conflict

MOST: Final = 16


class Viewers:
    """Counts the viewers of one console process."""

    def __init__(self, most: int = MOST) -> None:
        """Let at most *most* watch at once."""
        self._most = most
        self._now = 0

    def check(self) -> None:
        """Raise Conflict where nobody more may watch."""
        if self._now >= self._most:
            raise Conflict("too many people watch live sessions already: one of them has to leave first")

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a viewer while the block lasts; raises Conflict."""
        self.check()
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1
