# ruff: noqa: DTZ001 - naive wall times are the very subject here
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.domain.calendar import expand, to_utc, validate_recurrence
from policy.domain.windows import Recurrence
from policy.errors import AmbiguousLocalTime, InvalidInput

ZONES = st.sampled_from(
    ["Europe/Paris", "America/Martinique", "Indian/Reunion", "Pacific/Auckland", "Australia/Lord_Howe", "UTC"]
)
LOCAL = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
RULES = st.one_of(
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 9)),
    st.builds("FREQ=WEEKLY;INTERVAL={}".format, st.integers(1, 4)),
    st.builds("FREQ=MONTHLY;INTERVAL={}".format, st.integers(1, 6)),
    st.just("FREQ=YEARLY"),
)
RECURRENCES = st.builds(
    Recurrence,
    start=LOCAL,
    duration=st.integers(1, 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    rule=RULES,
    fold=st.sampled_from([0, 1]),
    shift=st.just(True),
)


@given(local=LOCAL, timezone=ZONES, fold=st.sampled_from([0, 1]))
def test_local_time_comes_back(local: datetime, timezone: str, fold: int) -> None:
    """Every wall time that exists is read back from its instant; one that does not is refused."""
    try:
        at = to_utc(local, timezone, fold=fold)
    except AmbiguousLocalTime:
        shifted = to_utc(local, timezone, fold=fold, shift=True)
        assert shifted.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, fold=0) > local
        return
    assert at.tzinfo is UTC
    assert at.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, fold=0) == local


@given(local=LOCAL, timezone=ZONES)
def test_choices_are_both_readings(local: datetime, timezone: str) -> None:
    """Where a wall time exists twice, the refusal offers two instants that both read as it."""
    choices: tuple[datetime, ...] = ()
    try:
        to_utc(local, timezone, fold=None)
    except AmbiguousLocalTime as refused:
        choices = refused.choices
    for choice in choices:
        assert choice.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, fold=0) == local


@settings(max_examples=60)
@given(recurrence=RECURRENCES, timezone=ZONES, days=st.integers(1, 400), cut=st.integers(0, 400))
def test_expansions_join_up(recurrence: Recurrence, timezone: str, days: int, cut: int) -> None:
    """An expansion in two halves is the expansion in one: a rolling horizon loses and doubles nothing."""
    after = recurrence.start.replace(tzinfo=UTC) - timedelta(days=2)
    before = after + timedelta(days=days)
    middle = min(after + timedelta(days=cut), before)
    whole = expand(recurrence, timezone, after=after, before=before, skip_doubtful=True)
    first = expand(recurrence, timezone, after=after, before=middle, skip_doubtful=True)
    second = expand(recurrence, timezone, after=middle, before=before, skip_doubtful=True)
    assert first + second == whole
    assert all(after <= start < before and start < end for start, end in whole)


@settings(max_examples=60)
@given(recurrence=RECURRENCES, timezone=ZONES)
def test_sound_recurrences_expand_to_disjoint_intervals(recurrence: Recurrence, timezone: str) -> None:
    """What validation accepts expands over its horizon without a refusal, and no two occurrences overlap."""
    try:
        validate_recurrence(recurrence, timezone)
    except InvalidInput:
        return
    start = to_utc(recurrence.start, timezone, fold=recurrence.fold, shift=True)
    found = expand(recurrence, timezone, after=start, before=start + timedelta(days=399))
    assert found[0][0] == start
    for (_, end), (following, _) in pairwise(found):
        assert end <= following


@settings(max_examples=300)
@given(
    rule=st.one_of(
        st.text(max_size=40), st.text(alphabet="FREQDAILYBYMONTHSETPOSCOUNTUNTIL=;,0123456789-+", max_size=60)
    )
)
def test_no_rule_crashes_the_parser(rule: str) -> None:
    """Whatever is typed as a rule is either sound or refused by name."""
    recurrence = Recurrence(start=datetime(2026, 1, 5, 20), duration=timedelta(hours=1), rule=rule)
    field = "recurrence.rule"
    try:
        validate_recurrence(recurrence, "Europe/Paris")
    except InvalidInput as refused:
        field = refused.field
    assert field.startswith("recurrence.")
