"""How far two clocks are apart, as far as answers tell: each leaves as much in doubt as it took."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from policy.clock import Clock

MOST_ASKED: Final = 5
"""How often a clock is asked until its answers leave no doubt about what is allowed."""
_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Offset:
    """What our clock is ahead of another one: *least* or more, *most* or less."""

    least: timedelta
    most: timedelta

    @classmethod
    def heard(cls, before: datetime, after: datetime, theirs: datetime, unsaid: timedelta = _NONE) -> Self:
        """Take an answer that came between *before* and *after* by ours, and said *theirs*, or up to *unsaid* more."""
        return cls(before - theirs - unsaid, after - theirs)

    def narrowed(self, by: Self) -> Self:
        """Return what both leave possible; where they exclude each other a clock was set between them, and *by* counts."""
        least, most = max(self.least, by.least), min(self.most, by.most)
        return by if least > most else type(self)(least, most)

    @property
    def nearest(self) -> timedelta:
        """What they are apart at least, with its sign: ahead is positive."""
        return max(self.least, _NONE) + min(self.most, _NONE)

    @property
    def farthest(self) -> timedelta:
        """What they may be apart at most, without its sign."""
        return max(abs(self.least), abs(self.most))

    @property
    def likeliest(self) -> timedelta:
        """The middle of what is possible."""
        return (self.least + self.most) / 2

    def beyond(self, bound: timedelta) -> bool:
        """Tell whether they are more than *bound* apart, whatever the answers hid."""
        return abs(self.nearest) > bound

    def unsure(self, bound: timedelta) -> bool:
        """Tell whether they may be, for what the answers hid."""
        return not self.beyond(bound) and self.farthest > bound


async def ask(
    question: Callable[[], Awaitable[datetime | None]],
    clock: Clock,
    bound: timedelta,
    *,
    unsaid: timedelta = _NONE,
    pause: float = 0.0,
    seconds: float | None = None,
) -> Offset | None:
    """Ask another clock by *question* until it is sure which side of *bound* it is on, a few times at most.

    None where it has no answer, or none within *seconds*. *unsaid* is what its answers leave out below their last digit,
    *pause* the seconds between two of them. Raises what *question* raises.
    """
    found: Offset | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for asked in range(MOST_ASKED):
                if asked:
                    await asyncio.sleep(pause)
                before = clock.now()
                theirs = await question()
                if theirs is None:
                    return None
                heard = Offset.heard(before, clock.now(), theirs, unsaid)
                found = heard if found is None else found.narrowed(heard)
                if not found.unsure(bound):
                    break
    return found
