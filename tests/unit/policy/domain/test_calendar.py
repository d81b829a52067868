# ruff: noqa: DTZ001 - naive wall times are the very subject here
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from policy.domain.calendar import MAX_OCCURRENCES, expand, validate_recurrence
from policy.domain.windows import Recurrence
from policy.errors import AmbiguousLocalTime, InvalidInput

PARIS = "Europe/Paris"
EVENINGS = Recurrence(start=datetime(2026, 1, 5, 20, 0), duration=timedelta(hours=2), rule="FREQ=DAILY")
NIGHTS = replace(EVENINGS, start=datetime(2026, 1, 5, 2, 15), duration=timedelta(minutes=30))


def utc(*parts: int) -> datetime:
    """Return an aware UTC datetime."""
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def starts(recurrence: Recurrence, after: datetime, before: datetime) -> list[datetime]:
    """Return the UTC starts of an expansion in Paris."""
    return [start for start, _ in expand(recurrence, PARIS, after=after, before=before)]


def test_evening_stays_evening_across_the_clock_change() -> None:
    """20:00-22:00 is two hours of wall time in winter and in summer, at other UTC hours."""
    found = expand(EVENINGS, PARIS, after=utc(2026, 10, 24), before=utc(2026, 10, 26))
    assert found == [
        (utc(2026, 10, 24, 18), utc(2026, 10, 24, 20)),
        (utc(2026, 10, 25, 19), utc(2026, 10, 25, 21)),
    ]


@pytest.mark.parametrize(
    ("day", "hours"), [(utc(2026, 3, 28, 12), 2), (utc(2026, 10, 24, 12), 4), (utc(2026, 6, 1, 12), 3)]
)
def test_night_window_follows_the_wall(day: datetime, hours: int) -> None:
    """01:00-04:00 lasts two hours in the night of spring, four in that of autumn, three in others."""
    night = replace(EVENINGS, start=datetime(2026, 1, 5, 1, 0), duration=timedelta(hours=3))
    ((start, end),) = expand(night, PARIS, after=day, before=day + timedelta(days=1))
    assert end - start == timedelta(hours=hours)


def test_over_midnight() -> None:
    """An occurrence may end on the next day, and belongs to the day it starts on."""
    late = replace(EVENINGS, start=datetime(2026, 1, 5, 22, 0), duration=timedelta(hours=4))
    assert expand(late, PARIS, after=utc(2026, 1, 5), before=utc(2026, 1, 6)) == [
        (utc(2026, 1, 5, 21), utc(2026, 1, 6, 1))
    ]


def test_bounds_are_half_open_on_the_start() -> None:
    """Expansions that follow each other share no occurrence and lose none."""
    edge = utc(2026, 1, 6, 19)
    assert starts(EVENINGS, utc(2026, 1, 5), edge) == [utc(2026, 1, 5, 19)]
    assert starts(EVENINGS, edge, edge + timedelta(days=1)) == [edge]


def test_leap_day() -> None:
    """A yearly rule of 29 February has an occurrence in leap years alone."""
    leap = replace(EVENINGS, start=datetime(2028, 2, 29, 20), rule="FREQ=YEARLY")
    assert starts(leap, utc(2028, 1, 1), utc(2037, 1, 1)) == [
        utc(2028, 2, 29, 19),
        utc(2032, 2, 29, 19),
        utc(2036, 2, 29, 19),
    ]


def test_exceptions_are_left_out_and_still_counted() -> None:
    """An exception date opens nothing; COUNT counts the rule's starts, excepted ones too (RFC 5545)."""
    rule = replace(EVENINGS, rule="FREQ=DAILY;COUNT=3", exceptions=(datetime(2026, 1, 6, 20, 0),))
    assert starts(rule, utc(2026, 1, 1), utc(2027, 1, 1)) == [utc(2026, 1, 5, 19), utc(2026, 1, 7, 19)]


@pytest.mark.parametrize(
    "until", ["20260107", "20260107T200000", "20260107T190000Z"], ids=["date", "local", "utc"]
)
def test_until_is_inclusive(until: str) -> None:
    """UNTIL may be a whole day, local or UTC, and the start it names is the last one."""
    rule = replace(EVENINGS, rule=f"FREQ=DAILY;UNTIL={until}")
    assert starts(rule, utc(2026, 1, 1), utc(2027, 1, 1))[-1] == utc(2026, 1, 7, 19)


def test_until_one_second_before_leaves_the_start_out() -> None:
    """UNTIL just before a start ends the rule at the one before."""
    rule = replace(EVENINGS, rule="FREQ=DAILY;UNTIL=20260107T185959Z")
    assert starts(rule, utc(2026, 1, 1), utc(2027, 1, 1))[-1] == utc(2026, 1, 6, 19)


def test_monthly_by_position() -> None:
    """The first Monday of each month, as calendars write it."""
    rule = replace(EVENINGS, rule="FREQ=MONTHLY;BYDAY=1MO")
    assert starts(rule, utc(2026, 1, 1), utc(2026, 4, 1)) == [
        utc(2026, 1, 5, 19),
        utc(2026, 2, 2, 19),
        utc(2026, 3, 2, 19),
    ]


def test_last_day_of_each_month() -> None:
    """Days may be counted from the end of the month, short months and leap years included."""
    rule = replace(EVENINGS, start=datetime(2028, 1, 31, 20), rule="FREQ=DAILY;BYMONTHDAY=-1")
    validate_recurrence(rule, PARIS)
    days = [start.day for start in starts(rule, utc(2028, 1, 1), utc(2028, 5, 1))]
    assert days == [31, 29, 31, 30]


def test_doubt_in_the_range_is_refused() -> None:
    """A rule that meets a doubled local time does not expand until the planner says which."""
    with pytest.raises(AmbiguousLocalTime, match="2026-10-25 02:15"):
        starts(NIGHTS, utc(2026, 10, 20), utc(2026, 11, 1))


def test_doubt_outside_the_range_is_no_matter() -> None:
    """Clock changes outside the range asked for do not refuse it."""
    assert len(starts(NIGHTS, utc(2026, 6, 1), utc(2026, 6, 8))) == 7


def test_doubt_can_be_skipped_and_opens_nothing() -> None:
    """The top-up leaves an occurrence in doubt out: nothing opens on that night."""
    found = expand(
        NIGHTS, PARIS, after=utc(2026, 10, 23, 12), before=utc(2026, 10, 26, 12), skip_doubtful=True
    )
    assert [start for start, _ in found] == [utc(2026, 10, 24, 0, 15), utc(2026, 10, 26, 1, 15)]


@pytest.mark.parametrize(("fold", "minutes"), [(0, 15), (1, 75)])
def test_fold_is_applied_to_a_rule(fold: int, minutes: int) -> None:
    """What the planner said of doubled hours holds for every occurrence of the rule."""
    night = replace(NIGHTS, fold=fold)
    assert starts(night, utc(2026, 10, 24, 12), utc(2026, 10, 25, 12)) == [
        utc(2026, 10, 25) + timedelta(minutes=minutes)
    ]


def test_shift_is_applied_to_a_rule() -> None:
    """02:15-02:45 of the night of spring becomes 03:15-03:45 where the planner asked for a shift."""
    night = replace(NIGHTS, shift=True)
    assert expand(night, PARIS, after=utc(2026, 3, 28, 12), before=utc(2026, 3, 29, 12)) == [
        (utc(2026, 3, 29, 1, 15), utc(2026, 3, 29, 1, 45))
    ]


def test_shift_that_leaves_nothing_is_in_doubt() -> None:
    """02:30-03:00 shifted would start after its end: that night must be excepted."""
    night = replace(NIGHTS, start=datetime(2026, 1, 5, 2, 30), shift=True)
    with pytest.raises(AmbiguousLocalTime, match="2026-03-29"):
        starts(night, utc(2026, 3, 28, 12), utc(2026, 3, 29, 12))


def test_validation_names_every_date_in_doubt() -> None:
    """The planner learns both nights of the horizon at once."""
    with pytest.raises(AmbiguousLocalTime, match=r"2026-03-29 02:15, 2026-10-25 02:15"):
        validate_recurrence(NIGHTS, PARIS)


def test_validation_holds_once_dates_are_excepted() -> None:
    """Excepting the two nights is an answer; saying fold and shift is another."""
    nights = (datetime(2026, 3, 29, 2, 15), datetime(2026, 10, 25, 2, 15))
    validate_recurrence(replace(NIGHTS, exceptions=nights), PARIS)
    validate_recurrence(replace(NIGHTS, fold=0, shift=True), PARIS)


def test_validation_keeps_the_other_doubt() -> None:
    """Saying fold answers the doubled hour and not the missing one."""
    with pytest.raises(AmbiguousLocalTime) as refused:
        validate_recurrence(replace(NIGHTS, fold=1), PARIS)
    assert "2026-03-29" in refused.value.message
    assert "2026-10-25" not in refused.value.message


def test_round_the_clock_is_sound() -> None:
    """Days of 24 hours touch without overlapping, across both clock changes."""
    days = replace(EVENINGS, start=datetime(2026, 1, 5), duration=timedelta(days=1))
    validate_recurrence(days, PARIS)
    found = expand(days, PARIS, after=utc(2026, 1, 1), before=utc(2027, 1, 1))
    assert all(end == start for (_, end), (start, _) in pairwise(found))


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=HOURLY",
        "FREQ=EVERYDAY",
        "BYDAY=MO",
        "RRULE:FREQ=DAILY",
        "FREQ=DAILY\nDTSTART:20200101T000000",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=-1",
        "FREQ=DAILY;COUNT=2001",
        "FREQ=DAILY;COUNT=many",
        "FREQ=DAILY;COUNT=3;UNTIL=20260201",
        "FREQ=DAILY;UNTIL=20250101",
        "FREQ=DAILY;UNTIL=20261350",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=99999999",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;BYMINUTE=1",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;BYEASTER=0",
        "FREQ=DAILY;BYSETPOS=2;BYDAY=MO",
        "FREQ=DAILY;BYDAY=1MO",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYYEARDAY=1",
        "FREQ=DAILY;WKST=XX",
        "FREQ=DAILY;" + "BYDAY=" + ",".join(["MO"] * 200),
    ],
)
def test_unsound_rules_are_refused_naming_the_field(rule: str) -> None:
    """Rules finer than a day, ends that contradict themselves and other nonsense get a clear refusal."""
    with pytest.raises(InvalidInput) as refused:
        validate_recurrence(replace(EVENINGS, rule=rule), PARIS)
    assert refused.value.field == "recurrence.rule"
    with pytest.raises(InvalidInput):
        starts(replace(EVENINGS, rule=rule), utc(2026, 1, 1), utc(2027, 1, 1))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;BYDAY=TU",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=2MO",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=99",
    ],
)
def test_first_start_must_be_a_day_of_the_rule(rule: str) -> None:
    """A first start that the rule leaves out is refused, even by a rule that has no day at all."""
    with pytest.raises(InvalidInput) as refused:
        validate_recurrence(replace(EVENINGS, rule=rule), PARIS)
    assert refused.value.field == "recurrence.start"


def test_rule_without_a_day_costs_little() -> None:
    """A rule made to search for ever is refused in little processor time."""
    for rule in (
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYMONTH=2",
        "FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2",
    ):
        before = time.process_time()
        with pytest.raises(InvalidInput):
            validate_recurrence(replace(EVENINGS, rule=rule), PARIS)
        assert time.process_time() - before < 3


@pytest.mark.parametrize("duration", [timedelta(0), -timedelta(hours=1), timedelta(days=32)])
def test_durations_out_of_bounds_are_refused(duration: timedelta) -> None:
    """An occurrence lasts more than nothing and at most a month."""
    with pytest.raises(InvalidInput, match=r"recurrence\.duration"):
        validate_recurrence(replace(EVENINGS, duration=duration), PARIS)


def test_overlapping_occurrences_are_refused() -> None:
    """A day that lasts 25 hours would run into the next one."""
    with pytest.raises(InvalidInput, match="starts before the last one ends"):
        validate_recurrence(replace(EVENINGS, duration=timedelta(hours=25)), PARIS)


def test_exception_that_excepts_nothing_is_refused() -> None:
    """A mistyped exception would silently leave the window open on that day."""
    with pytest.raises(InvalidInput, match="2026-01-06 21:00"):
        validate_recurrence(replace(EVENINGS, exceptions=(datetime(2026, 1, 6, 21, 0),)), PARIS)


def test_far_exception_is_refused_at_once() -> None:
    """An exception in the year 9999 is no reason to look at every day until then."""
    with pytest.raises(InvalidInput, match="ten years"):
        validate_recurrence(replace(EVENINGS, exceptions=(datetime(9999, 1, 1, 20, 0),)), PARIS)


def test_exceptions_that_leave_nothing_are_refused() -> None:
    """A window without any occurrence is not worth an approval."""
    with pytest.raises(InvalidInput, match="no occurrence"):
        validate_recurrence(replace(EVENINGS, rule="FREQ=DAILY;COUNT=1", exceptions=(EVENINGS.start,)), PARIS)


@pytest.mark.parametrize(
    "start",
    [
        datetime(1999, 1, 1),
        datetime(2200, 1, 1),
        datetime(2026, 1, 5, 20, 0, 1),
        datetime(2026, 1, 5, tzinfo=UTC),
    ],
)
def test_starts_out_of_bounds_are_refused(start: datetime) -> None:
    """A first start is a local time, in whole minutes, of a year that makes sense."""
    with pytest.raises(InvalidInput, match=r"recurrence\.start"):
        validate_recurrence(replace(EVENINGS, start=start), PARIS)


def test_expansion_is_bounded() -> None:
    """One expansion gives at most 2000 occurrences, over ten years, and no naive bounds."""
    with pytest.raises(InvalidInput, match=str(MAX_OCCURRENCES)):
        starts(EVENINGS, utc(2026, 1, 1), utc(2035, 1, 1))
    with pytest.raises(InvalidInput, match="ten years"):
        starts(EVENINGS, utc(2026, 1, 1), utc(2037, 1, 1))
    with pytest.raises(InvalidInput, match="aware"):
        starts(EVENINGS, datetime(2026, 1, 1), utc(2027, 1, 1))
    with pytest.raises(InvalidInput, match="before"):
        starts(EVENINGS, utc(9999, 12, 1), datetime.max.replace(tzinfo=UTC))
