# ruff: noqa: DTZ001, DTZ901 - naive wall times are the very subject here
from datetime import UTC, datetime, timedelta

import pytest

from policy.domain.local_time import to_utc
from policy.errors import AmbiguousLocalTime, InvalidInput

PARIS = "Europe/Paris"


def test_ordinary_time_has_one_instant() -> None:
    """A wall time of an ordinary day is one UTC instant, whatever the planner says of folds."""
    local = datetime(2026, 3, 3, 20, 0)
    for fold in (None, 0, 1):
        assert to_utc(local, PARIS, fold=fold) == datetime(2026, 3, 3, 19, 0, tzinfo=UTC)


def test_time_that_exists_twice_is_refused_until_said() -> None:
    """02:30 on 25/10/2026 happens twice (O3): the refusal gives both instants, in order."""
    with pytest.raises(AmbiguousLocalTime) as refused:
        to_utc(datetime(2026, 10, 25, 2, 30), PARIS, fold=None)
    assert refused.value.choices == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    )
    assert "the first (00:30 UTC) or the second (01:30 UTC)" in refused.value.message


@pytest.mark.parametrize(("fold", "hour"), [(0, 0), (1, 1)])
def test_planner_picks_which_of_the_two(fold: int, hour: int) -> None:
    """Once the planner has said which, the stored UTC end is that one."""
    picked = to_utc(datetime(2026, 10, 25, 2, 30), PARIS, fold=fold)
    assert picked == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize("fold", [None, 0, 1])
def test_time_that_does_not_exist_is_refused(fold: int | None) -> None:
    """02:30 on 29/03/2026 does not exist; a fold is no answer to that."""
    with pytest.raises(AmbiguousLocalTime) as refused:
        to_utc(datetime(2026, 3, 29, 2, 30), PARIS, fold=fold)
    assert refused.value.choices == ()


def test_shift_moves_over_the_gap() -> None:
    """A shifted time is read with the offset before the gap: 02:30 becomes 03:30 summer time."""
    shifted = to_utc(datetime(2026, 3, 29, 2, 30), PARIS, fold=None, shift=True)
    assert shifted == to_utc(datetime(2026, 3, 29, 3, 30), PARIS, fold=None)


@pytest.mark.parametrize("minute", [0, 59])
def test_edges_of_the_doubled_hour(minute: int) -> None:
    """The doubled hour is 02:00 to 03:00, half-open: 03:00 exists once, and so does 01:59."""
    with pytest.raises(AmbiguousLocalTime):
        to_utc(datetime(2026, 10, 25, 2, minute), PARIS, fold=None)
    for once in (datetime(2026, 10, 25, 1, 59), datetime(2026, 10, 25, 3, 0)):
        assert to_utc(once, PARIS, fold=0) == to_utc(once, PARIS, fold=1)


def test_southern_and_half_hour_zones() -> None:
    """Lord Howe moves by half an hour: only that half hour is in doubt."""
    with pytest.raises(AmbiguousLocalTime) as refused:
        to_utc(datetime(2026, 4, 5, 1, 45), "Australia/Lord_Howe", fold=None)
    first, second = refused.value.choices
    assert second - first == timedelta(minutes=30)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_unknown_zone_is_refused_by_name(name: str) -> None:
    """A time zone that is not one, or that is a path, is refused naming the field."""
    with pytest.raises(InvalidInput, match="timezone"):
        to_utc(datetime(2026, 3, 3), name, fold=None)


def test_aware_time_is_no_local_time() -> None:
    """A time with an offset is refused under the field's own name."""
    with pytest.raises(InvalidInput, match=r"window\.end"):
        to_utc(datetime(2026, 3, 3, tzinfo=UTC), PARIS, fold=None, field="window.end")


def test_other_folds_are_refused() -> None:
    """A fold is 0 or 1."""
    with pytest.raises(InvalidInput, match="fold"):
        to_utc(datetime(2026, 3, 3), PARIS, fold=2)


def test_end_of_time_is_out_of_range() -> None:
    """The first and last moments of the calendar have no UTC reading: refused, not crashed on."""
    with pytest.raises(InvalidInput, match="range"):
        to_utc(datetime.min, PARIS, fold=None)
