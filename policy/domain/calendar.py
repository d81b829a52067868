"""Recurring windows: an RFC 5545 rule in the hospital's time zone, as half-open UTC intervals.

The one module of this package that leans on a library (dateutil finds the days of a rule); wall time becomes
UTC here and nowhere else.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from dateutil.rrule import rrulestr

from policy.domain.local_time import to_utc, zone_of
from policy.domain.rrules import FIELD, MAX_OCCURRENCES, parse_rule
from policy.domain.windows import Recurrence
from policy.errors import AmbiguousLocalTime, InvalidInput

__all__ = ["DEFAULT_HORIZON", "MAX_OCCURRENCES", "expand", "to_utc", "validate_recurrence"]

DEFAULT_HORIZON: Final = timedelta(days=400)
"""How far ahead a rule is checked and expanded unless the caller says: every date of a year, and a month."""

_MAX_SPAN = timedelta(days=3660)
_MAX_DURATION = timedelta(days=31)
_YEARS = range(2000, 2200)

Interval = tuple[datetime, datetime]


def expand(
    recurrence: Recurrence, timezone: str, *, after: datetime, before: datetime, skip_doubtful: bool = False
) -> list[Interval]:
    """Return the occurrences that start in ``[after, before)``, as UTC ``[start, end)``, in order.

    *after* and *before* are aware, at most ten years apart; *timezone* is an IANA name. An occurrence whose
    start or end does not exist or exists twice, and of which the planner said nothing, raises
    AmbiguousLocalTime; with *skip_doubtful* it is left out instead, which opens nothing (for the daily top-up
    of a rule that was checked when it was planned). Raises InvalidInput for an unsound rule, and for more than
    2000 occurrences.
    """
    if after.tzinfo is None or before.tzinfo is None:
        raise InvalidInput("after", "expansion needs aware instants")
    if before - after > _MAX_SPAN or before.year not in _YEARS:
        raise InvalidInput("before", f"expand at most ten years at a time, before {_YEARS[-1] + 1}")
    found: list[Interval] = []
    # A local time is never further than a day from its UTC reading.
    latest = before.astimezone(UTC).replace(tzinfo=None) + timedelta(days=1)
    for local in _local_starts(recurrence, timezone, latest):
        try:
            interval = _interval(recurrence, timezone, local)
        except AmbiguousLocalTime:
            margin = timedelta(days=1)
            if skip_doubtful or not after - margin <= local.replace(tzinfo=UTC) < before + margin:
                continue
            raise
        if after <= interval[0] < before:
            found.append(interval)
            if len(found) > MAX_OCCURRENCES:
                raise InvalidInput(FIELD, f"more than {MAX_OCCURRENCES} occurrences; bring the end nearer")
    return found


def validate_recurrence(
    recurrence: Recurrence, timezone: str, *, horizon: timedelta = DEFAULT_HORIZON
) -> None:
    """Check a recurrence that a planner wrote, over *horizon* from its first start.

    Raises InvalidInput naming the field and the way out: an unsound rule; a first start that the rule leaves
    out; a duration out of bounds, or so long that occurrences overlap; an exception that excepts nothing; no
    occurrence at all. Raises AmbiguousLocalTime naming every date in doubt, unless each is excepted or
    ``fold`` and ``shift`` say what is meant.
    """
    if not timedelta(0) < recurrence.duration <= _MAX_DURATION:
        raise InvalidInput(
            "recurrence.duration", f"write more than zero and at most {_MAX_DURATION.days} days"
        )
    _naive(recurrence.start, "recurrence.start")
    latest = recurrence.start + horizon
    bare = Recurrence(start=recurrence.start, duration=recurrence.duration, rule=recurrence.rule)
    left_out = {_naive(one, "recurrence.exceptions") for one in recurrence.exceptions}
    last = max([latest, *left_out])
    if last - recurrence.start > _MAX_SPAN:
        raise InvalidInput("recurrence.exceptions", "write exceptions of the first ten years only")
    every = list(_local_starts(bare, timezone, last))
    if not every or every[0] != recurrence.start:
        raise InvalidInput("recurrence.start", "the first start is not a day of the rule; choose one that is")
    for exception in sorted(left_out.difference(every)):
        raise InvalidInput("recurrence.exceptions", f"{exception:%Y-%m-%d %H:%M} is not a start of the rule")
    kept = [local for local in every if local not in left_out and local <= latest]
    if not kept:
        raise InvalidInput("recurrence.exceptions", "they leave no occurrence within the horizon")
    if len(kept) > MAX_OCCURRENCES:
        raise InvalidInput(FIELD, f"more than {MAX_OCCURRENCES} occurrences in {horizon.days} days")
    _refuse_doubts(recurrence, timezone, kept)
    intervals = [_interval(recurrence, timezone, local) for local in kept]
    for (_, end), (start, _), local in zip(intervals, intervals[1:], kept[1:], strict=False):
        if start < end:
            raise InvalidInput(
                "recurrence.duration",
                f"the occurrence of {local:%Y-%m-%d %H:%M} starts before the last one ends",
            )


def _refuse_doubts(recurrence: Recurrence, timezone: str, starts: list[datetime]) -> None:
    doubts: list[AmbiguousLocalTime] = []
    for local in starts:
        try:
            _interval(recurrence, timezone, local)
        except AmbiguousLocalTime as doubt:
            doubts.append(doubt)
    if not doubts:
        return
    dates = ", ".join(f"{doubt.local:%Y-%m-%d %H:%M}" for doubt in doubts)
    raise AmbiguousLocalTime(
        doubts[0].field,
        f"the clocks change at {dates} in {timezone}: except those dates, or say first or second for a time that "
        "exists twice and shift for one that does not exist",
        local=doubts[0].local,
        choices=doubts[0].choices,
    )


def _local_starts(recurrence: Recurrence, timezone: str, latest: datetime) -> Iterator[datetime]:
    """Yield the naive local starts up to *latest*, without the exceptions, in order."""
    start = _naive(recurrence.start, "recurrence.start")
    if start.year not in _YEARS:
        raise InvalidInput("recurrence.start", f"write a year from {_YEARS[0]} to {_YEARS[-1]}")
    if start.microsecond or start.second:
        raise InvalidInput("recurrence.start", "write whole minutes")
    rule = parse_rule(recurrence.rule, start, zone_of(timezone))
    left_out = set(recurrence.exceptions)
    # dateutil checks an end only against days it has found; COUNT and UNTIL are therefore held here.
    for number, local in enumerate(rrulestr(rule.pattern, dtstart=start), start=1):
        ended = rule.until is not None and local > rule.until
        if ended or local > latest or (rule.count is not None and number > rule.count):
            return
        if local not in left_out:
            yield local


def _interval(recurrence: Recurrence, timezone: str, local: datetime) -> Interval:
    fold, shift = recurrence.fold, recurrence.shift
    start = to_utc(local, timezone, fold=fold, shift=shift, field="recurrence.start")
    end = to_utc(local + recurrence.duration, timezone, fold=fold, shift=shift, field="recurrence.duration")
    if end <= start:
        raise AmbiguousLocalTime(
            "recurrence.duration",
            f"nothing is left of the occurrence of {local:%Y-%m-%d %H:%M} when the clocks change; except it",
            local=local,
        )
    return start, end


def _naive(local: datetime, field: str) -> datetime:
    if local.tzinfo is not None:
        raise InvalidInput(field, "write a local time, without an offset")
    return local
