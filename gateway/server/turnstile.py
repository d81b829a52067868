"""A turnstile for whoever has not logged in: one step of one of them at a time, and a rest after each."""

import asyncio
from collections import deque
from collections.abc import Callable

REST_SECONDS = 0.002
"""The least rest after a step. The rest is as long as the step where that is longer: strangers take half at most."""
TURNS = 3
"""In how many turns of the loop a step is over: asyncssh goes on in a task, and in what that task calls at its end."""

Step = Callable[[], None]


class Turnstile:
    """Spreads over many turns of the loop what strangers ask for in one, so that those inside wait for one step.

    Whoever has begun goes on before somebody new begins. New ones begin source by source, so that the second of a
    source waits for the first of every other one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take steps on *loop*."""
        self._loop = loop
        self._going_on: deque[Step] = deque()
        self._beginning: dict[str, dict[object, Step]] = {}  # whose turn it is first
        self._free_at = 0.0
        self._stepping = False
        self._timer: asyncio.TimerHandle | None = None

    def go_on(self, step: Step) -> bool:
        """Do *step* of somebody who has begun now where nobody waits, and say so; else do it in its turn."""
        if self._is_free():
            self._do(step)
            return True
        self._going_on.append(step)
        self._wait()
        return False

    def begin(self, origin: str, who: object, step: Step) -> None:
        """Do the first *step* of *who* from *origin*, now or in its turn."""
        if self._is_free():
            self._do(step)
            return
        self._beginning.setdefault(origin, {})[who] = step
        self._wait()

    def forget(self, origin: str, who: object) -> None:
        """Let *who* from *origin* begin no more, where she still waits for it."""
        waiting = self._beginning.get(origin, {})
        if waiting.pop(who, None) is not None and not waiting:
            del self._beginning[origin]

    def _is_free(self) -> bool:
        return not self._stepping and self._timer is None and self._loop.time() >= self._free_at

    def _wait(self) -> None:
        if (self._going_on or self._beginning) and not self._stepping and self._timer is None:
            self._timer = self._loop.call_at(self._free_at, self._turn)

    def _turn(self) -> None:
        self._timer = None
        if self._going_on:
            self._do(self._going_on.popleft())
        elif self._beginning:
            self._do(self._next_to_begin())

    def _next_to_begin(self) -> Step:
        origin = next(iter(self._beginning))
        waiting = self._beginning.pop(origin)
        step = waiting.pop(next(iter(waiting)))
        if waiting:
            self._beginning[origin] = waiting  # behind everybody else
        return step

    def _do(self, step: Step) -> None:
        self._stepping = True
        began = self._loop.time()
        try:
            step()
        finally:
            self._loop.call_soon(self._after, began, TURNS)

    def _after(self, began: float, turns: int) -> None:
        if turns > 1:
            self._loop.call_soon(self._after, began, turns - 1)
            return
        now = self._loop.time()
        self._free_at = now + max(REST_SECONDS, now - began)
        self._stepping = False
        self._wait()
