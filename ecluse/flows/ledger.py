"""Who holds which way until when, and the kernel's sets kept to it: what came up meanwhile goes in one transaction."""

import asyncio
import math
import sys
from typing import Final

from ecluse.flows.filter import Filter
from ecluse.flows.request import Place, Refused

_SHUT: Final = 0.0
_UNKNOWN: Final = -1.0
"""What the kernel has of a way whose change failed: whatever is wanted of it next is told anew."""
_Waiting = asyncio.Future[None]


class Ledger:
    """Ways and their holders. ``run`` does the work; while one change is under way the next ones gather."""

    def __init__(self, kernel: Filter) -> None:
        """Keep the sets of *kernel*."""
        self._kernel = kernel
        self._held: dict[Place, dict[object, float]] = {}
        self._told: dict[Place, float] = {}
        self._due: dict[Place, list[_Waiting]] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    async def open(self, place: Place, seconds: int, hold: object) -> None:
        """Let *place* be reached for *seconds*, on behalf of *hold*; returns once it can be. Raises Refused("filter")."""
        done: _Waiting = asyncio.get_running_loop().create_future()
        self._held.setdefault(place, {})[hold] = _now() + seconds
        self._due.setdefault(place, []).append(done)
        self._wake.set()
        try:
            await done
        except BaseException:
            self.release(place, hold)
            raise

    def release(self, place: Place, hold: object) -> None:
        """Take *hold* off *place*, which is shut at once where nobody else holds it; again and again does no harm."""
        holds = self._held.get(place, {})
        if holds.pop(hold, None) is None:
            return
        if not holds:
            del self._held[place]
        self._due.setdefault(place, [])
        self._wake.set()

    async def run(self) -> None:
        """Work until ``stop``."""
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, {}
            await self._settle(due)

    def stop(self) -> None:
        """Have ``run`` end after what is under way."""
        self._stopping = True
        self._wake.set()

    async def _settle(self, due: dict[Place, list[_Waiting]]) -> None:
        until = {place: max(self._held.get(place, {}).values(), default=_SHUT) for place in due}
        changed = {place: end for place, end in until.items() if end != self._told.get(place, _SHUT)}
        failure: Refused | None = None
        if changed:
            seconds = {place: math.ceil(max(0.0, end - _now())) for place, end in changed.items()}
            try:
                await asyncio.to_thread(self._kernel.change, seconds)
                self._told |= {place: changed[place] if left else _SHUT for place, left in seconds.items()}
            except Refused as refused:  # what stands there is over by itself, with its seconds
                failure = refused
                self._told |= dict.fromkeys(changed, _UNKNOWN)
                sys.stderr.write(f"the filter takes no change: {refused.why}\n")
            for place in changed:
                if self._told[place] == _SHUT:
                    del self._told[place]
        for place, waiting in due.items():
            for one in waiting:
                if one.done():
                    continue
                if failure is not None and place in changed:
                    one.set_exception(failure)
                else:
                    one.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
