"""Instants on the screen and from the command line."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ecluse.moments import lasted, read, span, through, wall, whole_minute

PARIS = ZoneInfo("Europe/Paris")


def test_instants_are_shown_on_the_hospital_s_clock() -> None:
    """An instant in UTC is the wall time of the hospital, to the minute or the second; none stays none."""
    assert wall("2026-11-22T19:45:12.345678Z", PARIS) == "2026-11-22 20:45"
    assert wall("2026-11-22T19:45:12.345678+00:00", PARIS, seconds=True) == "2026-11-22 20:45:12"
    assert wall(None, PARIS) is None
    assert wall("bientôt", PARIS) == "bientôt"


def test_a_minute_copied_from_a_list_means_all_of_it() -> None:
    """A wall time to the minute is that whole minute; with seconds or an offset, or a day alone, it is none."""
    assert whole_minute("2026-11-22 21:14 ") == ("2026-11-22 21:14:00", "2026-11-22 21:14:59.999")
    for exact in ("2026-11-22 21:14:00", "2026-11-22T21:14+01:00", "2026-11-22", "now"):
        assert whole_minute(exact) is None


def test_the_hour_that_comes_twice_says_which_one_it_is() -> None:
    """In the night of the change, and only then, the offset stands beside the wall time."""
    assert wall("2026-10-25T00:30:00Z", PARIS) == "2026-10-25 02:30 +0200"
    assert wall("2026-10-25T01:30:00Z", PARIS) == "2026-10-25 02:30 +0100"
    assert wall("2026-10-25T02:30:00Z", PARIS) == "2026-10-25 03:30"


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive by its contract
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the same
)
def test_two_instants_apart_never_look_alike(one: datetime, other: datetime) -> None:
    """Whatever the clocks do, what is a minute apart or more is shown apart."""
    if abs(one - other) >= timedelta(minutes=1):
        assert wall(one.isoformat(), PARIS) != wall(other.isoformat(), PARIS)


def test_spans_and_durations_are_short() -> None:
    """The day of the end is left out where it is the start's; a duration has hours only where it lasted one."""
    assert span("2026-11-22 20:45", "2026-11-22 21:00") == "2026-11-22 20:45 – 21:00"
    assert span("2026-11-22 20:45", "2026-11-23 01:00") == "2026-11-22 20:45 – 2026-11-23 01:00"
    assert lasted("2026-11-22T20:00:00Z", "2026-11-22T20:12:03.9Z") == "12:03"
    assert lasted("2026-11-22T20:00:00Z", "2026-11-22T22:00:05Z") == "2:00:05"
    assert lasted("2026-11-22T20:00:00Z", "2026-11-22T19:59:00Z") == "00:00"
    assert lasted("2026-11-22T20:00:00Z", None) is None


def test_what_is_typed_may_be_a_day_a_wall_time_or_an_instant() -> None:
    """Without an offset it stays naive, for the hospital's zone; what is no time is refused by the option's name."""
    assert read("2026-11-23", "--from") == datetime(2026, 11, 23)  # noqa: DTZ001 - naive is what is promised
    assert read(" 2026-11-23 20:30 ", "--at") == datetime(2026, 11, 23, 20, 30)  # noqa: DTZ001 - the same
    assert read("2026-11-23T20:30:00+01:00", "--at").utcoffset() == timedelta(hours=1)
    with pytest.raises(typer.BadParameter) as refused:
        read("demain", "--from")
    assert refused.value.param_hint == "--from"


def test_a_last_day_named_whole_is_included() -> None:
    """Until the 30th is until its end; who writes an hour means that hour."""
    assert through(" 2027-06-30") == "2027-06-30 23:59:59"
    assert through("2027-06-30 12:00") == "2027-06-30 12:00"
