"""Whoever has not logged in takes her steps one at a time."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from gateway.server.turnstile import Turnstile
from tests.support.waiting import eventually


async def passed(queue: Callable[[Turnstile, list[str]], None], steps: int) -> list[str]:
    """Return in which order the *steps* were done that *queue* asked for."""
    done: list[str] = []
    queue(Turnstile(asyncio.get_running_loop()), done)
    await eventually(lambda: len(done) >= steps)
    return done


async def test_where_nobody_waits_a_step_is_done_at_once() -> None:
    """Alone, one waits for nothing; the next one in the same turn waits."""
    done: list[str] = []
    turnstile = Turnstile(asyncio.get_running_loop())
    assert turnstile.go_on(lambda: done.append("first"))
    assert not turnstile.go_on(lambda: done.append("second"))
    assert done == ["first"]


async def test_who_has_begun_goes_before_who_begins() -> None:
    """Of two who wait, the one whose log-in is under way is first, though she came last."""

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        turnstile.begin("a", 1, lambda: done.append("at once"))
        turnstile.begin("a", 2, lambda: done.append("new"))
        turnstile.go_on(lambda: done.append("under way"))

    assert await passed(queue, 3) == ["at once", "under way", "new"]


async def test_sources_take_turns() -> None:
    """A source that sends a crowd delays another one's first connection by one step."""

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        for number in range(5):
            turnstile.begin("crowd", number, partial(done.append, f"crowd {number}"))
        turnstile.begin("other", 0, lambda: done.append("other"))

    assert (await passed(queue, 6))[:4] == ["crowd 0", "crowd 1", "other", "crowd 2"]


async def test_who_is_gone_is_not_waited_for() -> None:
    """Somebody who left before her turn costs nobody a step, and is not kept."""

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        turnstile.begin("a", 1, partial(done.append, "at once"))
        for number in range(1000):
            turnstile.begin("crowd", number, partial(done.append, "gone"))
        turnstile.begin("b", 2, partial(done.append, "last"))
        for number in range(1000):
            turnstile.forget("crowd", number)

    assert await passed(queue, 2) == ["at once", "last"]


async def test_where_all_are_gone_the_next_one_is_served() -> None:
    """An empty queue stops nothing for good."""

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        turnstile.begin("a", 1, partial(done.append, "at once"))
        turnstile.begin("a", 2, partial(done.append, "gone"))
        turnstile.forget("a", 2)
        asyncio.get_running_loop().call_later(0.05, turnstile.begin, "b", 3, partial(done.append, "later"))

    assert await passed(queue, 2) == ["at once", "later"]


async def test_a_step_that_fails_stops_nobody() -> None:
    """An exception is told by the loop, and the next one has her turn."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    failure = RuntimeError("a step")

    def fail() -> None:
        raise failure

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        turnstile.go_on(lambda: done.append("first"))
        turnstile.go_on(fail)
        turnstile.go_on(lambda: done.append("last"))

    assert await passed(queue, 2) == ["first", "last"]
    assert told == [failure]


async def test_the_loop_turns_between_two_steps() -> None:
    """What others asked for is done before the next step: a crowd holds up nobody for more than one."""
    turns = 0
    seen: list[int] = []
    loop = asyncio.get_running_loop()

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    loop.call_soon(turn)

    def queue(turnstile: Turnstile, done: list[str]) -> None:
        def step() -> None:
            seen.append(turns)
            done.append("")

        for _ in range(10):
            turnstile.go_on(step)

    await passed(queue, 10)
    assert all(later > earlier for earlier, later in pairwise(seen))
