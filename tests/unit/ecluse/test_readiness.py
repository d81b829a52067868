"""What a process says of its readiness: each thing asked once for everybody, and never waited for without end."""

import asyncio

import pytest

from admin_api.health import Standing
from ecluse.observation.readiness import Check, Readings


class Time:
    """Seconds that are moved by hand."""

    def __init__(self) -> None:
        """Begin."""
        self.now = 100.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def saying(standing: Standing) -> Check:
    """Return a check that always says so."""

    async def check() -> Standing:
        return standing

    return check


async def broken() -> Standing:
    """Raise."""
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("checks", "worst"),
    [
        ({"a": saying(Standing.GOOD)}, Standing.GOOD),
        ({"a": saying(Standing.GOOD), "b": saying(Standing.DEGRADED)}, Standing.DEGRADED),
        ({"a": saying(Standing.DEGRADED), "b": saying(Standing.FAILED)}, Standing.FAILED),
        ({"a": saying(Standing.GOOD), "b": broken}, Standing.FAILED),
    ],
)
async def test_the_worst_counts(checks: dict[str, Check], worst: Standing) -> None:
    """A process is as ready as the worst of what it needs, and what raises has failed."""
    assert (await Readings(checks)()).standing is worst


async def test_a_flood_of_questions_asks_once() -> None:
    """A thousand who ask at once, and who ask again in the same second, cost the database one question."""
    asked = 0
    time = Time()

    async def count() -> Standing:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return Standing.GOOD

    readings = Readings({"policy": count}, monotonic=time)
    await asyncio.gather(*(readings() for _ in range(1000)))
    await readings()
    assert asked == 1
    time.now += 1.0
    await readings()
    assert asked == 2


async def test_what_hangs_has_failed_and_is_not_asked_twice() -> None:
    """A database that does not answer fails after the patience; no second question is put while the first is open."""
    asked, answer = 0, asyncio.Event()
    time = Time()

    async def hang() -> Standing:
        nonlocal asked
        asked += 1
        await answer.wait()
        return Standing.GOOD

    readings = Readings({"policy": hang}, patience_seconds=0.01, monotonic=time)
    assert (await readings()).standing is Standing.FAILED
    time.now += 1.0
    assert (await readings()).standing is Standing.FAILED
    assert asked == 1
    answer.set()
    time.now += 1.0
    assert (await readings()).standing is Standing.GOOD


async def test_who_hangs_up_takes_nobody_s_answer_away() -> None:
    """One of two who wait is cancelled: the other has the answer, from the same question."""
    answer = asyncio.Event()

    async def late() -> Standing:
        await answer.wait()
        return Standing.GOOD

    readings = Readings({"policy": late})
    first, second = asyncio.ensure_future(readings()), asyncio.ensure_future(readings())
    await asyncio.sleep(0)
    first.cancel()
    answer.set()
    assert (await second).standing is Standing.GOOD
