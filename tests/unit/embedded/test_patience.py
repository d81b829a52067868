"""How long an answer is waited for, by a loop that may be busy with something else."""

import asyncio

import pytest

from embedded.patience import patience


@pytest.fixture
async def passing(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass for the loop: those added here pass while it does nothing else."""
    loop = asyncio.get_running_loop()
    added, real = [0.0], loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + sum(added))
    return added


async def test_who_does_not_answer_is_given_up() -> None:
    """A loop that listens all the while waits as long as it was told, and no longer."""
    with pytest.raises(TimeoutError):
        async with patience(0.01):
            await asyncio.Event().wait()


async def test_an_answer_that_came_while_the_loop_was_held_is_heard(passing: list[float]) -> None:
    """A loop that heard nothing for longer than an answer may take does not say that there was none."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def held() -> None:
        passing.append(4.0)
        loop.call_soon(answer.set_result, "here")  # as its bytes are read once the loop is free

    loop.call_soon(held)
    async with patience(2.0):
        assert await answer == "here"


async def test_nobody_is_held_for_ever(passing: list[float]) -> None:
    """However busy the loop is, five times as long is the end of it."""
    asyncio.get_running_loop().call_soon(passing.append, 11.0)
    with pytest.raises(TimeoutError):
        async with patience(2.0):
            await asyncio.Event().wait()
