"""A session's hard end: by the wall clock, and never later than the seconds that passed allow."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.session.deadline import Deadline

NOON = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)
END = NOON + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_a_clock_that_goes_right_counts_down() -> None:
    """As long as both clocks agree, what remains is what the wall clock says."""
    deadline = Deadline(END, NOON, 1000.0)
    assert deadline.remaining(END, NOON + 20 * MINUTE, 1000.0 + 1200) == 40 * MINUTE
    assert deadline.remaining(END, END, 1000.0 + 3600) == timedelta(0)


def test_a_clock_that_steps_back_gives_no_time() -> None:
    """After a step back what remains goes on shrinking as if there had been none."""
    deadline = Deadline(END, NOON, 0.0)
    assert deadline.remaining(END, NOON + 50 * MINUTE, 3000.0) == 10 * MINUTE
    assert deadline.remaining(END, NOON - timedelta(days=1), 3060.0) == 9 * MINUTE
    assert deadline.remaining(END, NOON - timedelta(days=1), 3600.0) == timedelta(0)


def test_a_clock_that_steps_forward_takes_the_time_away() -> None:
    """A step forward is believed, for it can only end a session too early."""
    deadline = Deadline(END, NOON, 0.0)
    assert deadline.remaining(END, END, 1.0) == timedelta(0)


def test_an_end_that_moves_moves_by_as_much() -> None:
    """A window extended or shortened after a step back ends that much later or earlier, not at its new hour."""
    deadline = Deadline(END, NOON, 0.0)
    back = NOON - timedelta(hours=5)
    assert deadline.remaining(END, back, 600.0) == 50 * MINUTE
    assert deadline.remaining(END + 30 * MINUTE, back, 600.0) == 80 * MINUTE
    assert deadline.remaining(END - 30 * MINUTE, back, 600.0) == 20 * MINUTE


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(-7200, 7200)), min_size=1, max_size=30))
def test_no_steps_of_the_clock_ever_lengthen_a_session(moves: list[tuple[float, float]]) -> None:
    """Whatever the wall clock does, a session lives no longer than was left at each look, counted in seconds."""
    deadline, now, instant, bound = Deadline(END, NOON, 0.0), NOON, 0.0, 3600.0
    for passed, stepped in moves:
        instant += passed
        now += timedelta(seconds=passed + stepped)
        left = deadline.remaining(END, now, instant)
        bound = min(bound - passed, (END - now).total_seconds())
        assert left.total_seconds() <= bound + 1e-5
