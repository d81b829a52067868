"""The watch over a machine's clock: steps, and the difference from the database server's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecluse.clocks import ClockWatch
from policy.clock import ManualClock

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
BOUND = timedelta(seconds=5)


class Machine:
    """A machine whose clock can be set, beside a server whose clock cannot."""

    def __init__(self, *, embedded: bool = False) -> None:
        """Begin right."""
        self.clock = ManualClock(START)
        self.ticks = 100.0
        self.embedded = embedded
        self.late = 0.0
        self.raised: list[tuple[str, Any]] = []
        self.watch = ClockWatch("gw-1", self, self.clock, BOUND, self.told, ticks=lambda: self.ticks)  # type: ignore[arg-type]  # a server that answers as it is told to

    def told(self, name: str, facts: dict[str, Any]) -> None:
        """Keep what was raised."""
        self.raised.append((name, facts["seconds"]))

    async def server_time(self) -> datetime | None:
        """Answer with the time that went by, after as long as it takes."""
        now = START + timedelta(seconds=self.ticks - 100)
        self.go_on(self.late)
        return None if self.embedded else now + timedelta(seconds=self.late / 2)

    def go_on(self, seconds: float) -> None:
        """Let time go by for everybody."""
        self.ticks += seconds
        self.clock.advance(timedelta(seconds=seconds))


async def test_a_clock_that_goes_on_raises_nothing() -> None:
    """Hours go by, answers take their time, and nobody is told anything."""
    machine = Machine()
    machine.late = 1.0
    for _ in range(60):
        await machine.watch.look()
        machine.go_on(60)
    assert machine.raised == []


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize("step", [-3600.0, 86400.0])
async def test_a_clock_that_is_set_is_told_once(embedded: bool, step: float) -> None:
    """A step shows on any database; beside a server the wrong clock shows too, until it is right again."""
    machine = Machine(embedded=embedded)
    await machine.watch.look()
    machine.clock.advance(timedelta(seconds=step))
    for _ in range(3):
        machine.go_on(60)
        await machine.watch.look()
    machine.clock.advance(timedelta(seconds=-step))
    machine.go_on(60)
    await machine.watch.look()
    drift = [] if embedded else [("alarm.clock_drift", step)]
    right = [] if embedded else [("alarm.clock_right", 0.0)]
    assert machine.raised == [
        ("alarm.clock_stepped", step),
        *drift,
        ("alarm.clock_stepped", -step),
        *right,
    ]


async def test_an_answer_that_comes_too_late_accuses_nobody() -> None:
    """Where the question itself takes longer than the bound, no difference is told."""
    machine = Machine()
    machine.late = 30.0
    await machine.watch.look()
    assert machine.raised == []
    assert machine.watch.drift is None


async def test_a_slow_answer_neither_hides_a_wrong_clock_nor_makes_one() -> None:
    """Eight seconds leave four in doubt: six ahead is not told by them, nor taken back; the quick answer after them tells."""
    machine = Machine()
    machine.clock.advance(timedelta(seconds=6))
    machine.late = 8.0
    await machine.watch.look()
    assert machine.raised == []
    machine.late = 0.0
    await machine.watch.look()
    machine.late = 8.0
    await machine.watch.look()
    assert machine.raised == [("alarm.clock_drift", 6.0)]
