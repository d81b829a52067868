from datetime import UTC, datetime, timedelta, timezone

import pytest

from policy.clock import ManualClock, SystemClock

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_system_clock_is_aware_utc() -> None:
    """The machine's clock tells aware UTC instants, which never stand still for ever."""
    first = SystemClock().now()
    assert first.tzinfo is UTC
    assert SystemClock().now() >= first


def test_manual_clock_stands_still() -> None:
    """The fake tells the same instant until it is moved, forward or back."""
    clock = ManualClock(NOON)
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(minutes=5))
    assert clock.now() == NOON + timedelta(minutes=5)
    clock.advance(-timedelta(minutes=10))
    assert clock.now() == NOON - timedelta(minutes=5)


def test_manual_clock_tells_utc() -> None:
    """An instant of another zone is told in UTC."""
    clock = ManualClock(NOON.astimezone(timezone(timedelta(hours=-4))))
    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC


def test_manual_clock_takes_no_naive_instant() -> None:
    """A naive instant would depend on the machine's zone: refused at the start and later."""
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(naive)
    clock = ManualClock(NOON)
    with pytest.raises(ValueError, match="aware"):
        clock.set(naive)
    assert clock.now() == NOON
