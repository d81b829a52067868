"""When a window opens, as a planner types it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import typer

from ecluse.planning import OPTIONS, exception, opening, option

PARIS = ZoneInfo("Europe/Paris")
DAY = datetime(2026, 11, 23, 19, 12, 45, tzinfo=UTC).astimezone(PARIS)


def never() -> datetime:
    """Stand for the clock where it must not be asked."""
    raise AssertionError("nothing here needs the present time")


def test_a_short_end_takes_the_day_of_the_start_and_a_day_left_out_its_hour() -> None:
    """``--end 22:00`` is of the start's day; ``--except DATE`` is that day's occurrence; no clock is asked."""
    assert opening("2026-11-23 20:00", "22:00", None, None, never)["end"] == "2026-11-23 22:00"
    assert opening("2026-11-23 20:00", "2026-11-24 02:00", None, None, never)["end"] == "2026-11-24 02:00"
    assert exception("2026-12-01", "2026-11-24 20:00") == "2026-12-01 20:00"


@pytest.mark.parametrize(
    ("end", "expected"),
    [("+90m", "2026-11-23 21:42"), ("+2h", "2026-11-23 22:12"), ("21:00", "2026-11-23 21:00")],
)
def test_now_is_this_minute_on_the_hospital_s_clock(end: str, expected: str) -> None:
    """``--start now`` is the minute that it is there; an end may be a length from it."""
    times = opening("now", end, None, None, lambda: DAY)
    assert (times["start"], times["end"]) == ("2026-11-23 20:12", expected)
    assert (times["start_fold"], times["end_fold"]) == (None, None)


def test_in_the_night_of_the_change_now_and_a_length_say_which_hour_they_mean() -> None:
    """The hour that comes twice is told apart by the instant, and a length has elapsed whatever the clocks do."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(PARIS)
    assert opening("now", "+1h", None, None, lambda: first) == {
        "start": "2026-10-25 02:30",
        "end": "2026-10-25 02:30",
        "start_fold": "first",
        "end_fold": "second",
    }
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(PARIS)
    times = opening("now", "+2h", None, None, lambda: second)
    assert (times["start_fold"], times["end"], times["end_fold"]) == ("second", "2026-10-25 04:30", None)


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        ("23/11/2026 20:00", "22:00", "--start"),
        ("2026-13-23 20:00", "22:00", "--start"),
        ("2026-11-23", "22:00", "--start"),
        ("demain", "+1h", "--start"),
        ("2026-11-23 20:00", "10 pm", "--end"),
        ("2026-11-23 20:00", "25:00", "--end"),
        ("2026-11-23 20:00", "+90", "--end"),
    ],
)
def test_the_time_at_fault_is_the_one_blamed(start: str, end: str, named: str) -> None:
    """A wrong start does not make a good end wrong, and what to write is told."""
    with pytest.raises(typer.BadParameter) as refused:
        opening(start, end, None, None, lambda: DAY)
    assert refused.value.param_hint == named
    assert "on the hospital's clock" in refused.value.message


@pytest.mark.parametrize(
    ("field", "named"),
    [
        ("recurrence.rule", "--rrule"),
        ("recurrence.duration", "--end"),
        ("channels.0", "--channel"),
        ("idle.limit_seconds", "--idle"),
        ("idle.ceiling_seconds", "--output-counts"),
        ("version", "version"),
    ],
)
def test_a_field_of_the_api_goes_by_its_option(field: str, named: str) -> None:
    """What is wrong is named as it was typed; a field that nobody typed keeps its name."""
    assert option(field, OPTIONS) == named
