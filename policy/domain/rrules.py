"""The RRULE values that a planner may write (RFC 5545 §3.3.10), checked part by part.

Narrower than the RFC where it buys safety: no rule finer than a day, times of day come from the first start
alone, and what makes an expansion search for ever without finding a day is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from policy.errors import InvalidInput

MAX_OCCURRENCES: Final = 2000
"""How many occurrences a rule may count, and how many one expansion may give."""

FIELD: Final = "recurrence.rule"
_MAX_LENGTH = 300
_MAX_INTERVAL = 1000
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "DAILY": frozenset({"BYMONTH", "BYMONTHDAY", "BYDAY"}),
    "WEEKLY": frozenset({"BYMONTH", "BYDAY"}),
    "MONTHLY": frozenset({"BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS"}),
    "YEARLY": frozenset({"BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYSETPOS"}),
}
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYSETPOS": (-366, 366),
}
_UNTIL = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule found sound. ``pattern`` is it without COUNT and UNTIL; ``until`` is naive local, inclusive."""

    pattern: str
    count: int | None
    until: datetime | None


def parse_rule(text: str, start: datetime, zone: ZoneInfo) -> Rule:
    """Check the RRULE value *text* for a first local *start* in *zone*, and return it.

    UNTIL may be UTC (``…Z``), local, or a date (that whole day). Raises InvalidInput naming the part at fault.
    """
    parts = _split(text)
    frequency = parts.pop("FREQ", "")
    if frequency not in _PARTS:
        raise InvalidInput(
            FIELD, "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY; nothing finer opens a window"
        )
    count = _count(parts.pop("COUNT", None))
    until = _until(parts.pop("UNTIL", None), start, zone)
    if count is not None and until is not None:
        raise InvalidInput(FIELD, "write COUNT or UNTIL, not both")
    for name, value in parts.items():
        _check_part(name, value, frequency)
    _check_start(parts, frequency, start)
    pattern = ";".join([f"FREQ={frequency}", *(f"{name}={value}" for name, value in parts.items())])
    return Rule(pattern=pattern, count=count, until=until)


def _split(text: str) -> dict[str, str]:
    if not text or len(text) > _MAX_LENGTH:
        raise InvalidInput(FIELD, f"write an RRULE value of at most {_MAX_LENGTH} characters")
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, equals, value = part.partition("=")
        if not equals or re.fullmatch(r"[A-Z0-9,+-]+", value) is None:
            raise InvalidInput(FIELD, "write NAME=VALUE parts joined by ';', such as FREQ=WEEKLY;BYDAY=MO")
        if name in parts:
            raise InvalidInput(FIELD, f"{name} is written twice")
        parts[name] = value
    return parts


def _count(value: str | None) -> int | None:
    return None if value is None else _integer("COUNT", value, 1, MAX_OCCURRENCES)


def _until(value: str | None, start: datetime, zone: ZoneInfo) -> datetime | None:
    if value is None:
        return None
    found = _UNTIL.fullmatch(value)
    if found is None:
        raise InvalidInput(FIELD, "UNTIL must be like 20261231 or 20261231T220000Z")
    year, month, day, hour, minute, second, utc = found.groups()
    try:
        if hour is None:
            until = datetime.combine(date(int(year), int(month), int(day)), time.max)
        else:
            until = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
        if utc:
            until = until.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise InvalidInput(FIELD, "UNTIL is not a date of the calendar") from None
    if until < start:
        raise InvalidInput(FIELD, "UNTIL is before the first start")
    return until


def _check_part(name: str, value: str, frequency: str) -> None:
    if name == "INTERVAL":
        _integer(name, value, 1, _MAX_INTERVAL)
    elif name == "WKST":
        if value not in _WEEKDAYS:
            raise InvalidInput(FIELD, f"WKST must be one of {', '.join(_WEEKDAYS)}")
    elif name not in _PARTS[frequency]:
        allowed = ", ".join(sorted({"INTERVAL", "COUNT", "UNTIL", "WKST"} | _PARTS[frequency]))
        raise InvalidInput(FIELD, f"{name} has no place in a {frequency} rule; it may hold {allowed}")
    elif name == "BYDAY":
        ordinal = r"([+-]?[1-9]\d?)?" if frequency in {"MONTHLY", "YEARLY"} else ""
        if any(
            re.fullmatch(ordinal + "(" + "|".join(_WEEKDAYS) + ")", day) is None for day in value.split(",")
        ):
            raise InvalidInput(FIELD, f"BYDAY must hold days such as MO,TH in a {frequency} rule")
    else:
        for number in value.split(","):
            _integer(name, number, *_RANGES[name])


def _check_start(parts: Mapping[str, str], frequency: str, start: datetime) -> None:
    """Refuse a first start that the rule itself leaves out.

    In a daily or weekly rule this also makes sure that there is a day to find: a search without one would go
    through every day to the year 9999. Monthly and yearly rules have few steps to look at.
    """
    if frequency not in {"DAILY", "WEEKLY"}:
        return
    days = parts.get("BYDAY")
    months = parts.get("BYMONTH")
    month_days = parts.get("BYMONTHDAY")
    from_end = start.day - _days_in_month(start) - 1
    if (
        (days is not None and _WEEKDAYS[start.weekday()] not in days.split(","))
        or (months is not None and start.month not in _numbers(months))
        or (month_days is not None and _numbers(month_days).isdisjoint({start.day, from_end}))
    ):
        raise InvalidInput("recurrence.start", "the first start is not a day of the rule; choose one that is")


def _days_in_month(day: datetime) -> int:
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return (following - date(day.year, day.month, 1)).days


def _numbers(value: str) -> set[int]:
    return {int(number) for number in value.split(",")}


def _integer(name: str, value: str, low: int, high: int) -> int:
    if re.fullmatch(r"[+-]?\d{1,5}", value) is None:
        raise InvalidInput(FIELD, f"{name} must be a number")
    number = int(value)
    if not low <= number <= high or number == 0:
        raise InvalidInput(FIELD, f"{name} must be between {low} and {high}, and not 0")
    return number
