"""Wall time of a hospital and UTC instants: the two nights of the year when one is not enough for the other."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from policy.errors import AmbiguousLocalTime, InvalidInput


def zone_of(timezone: str) -> ZoneInfo:
    """Return the time zone of that IANA name; raises InvalidInput where there is none."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise InvalidInput("timezone", f"no time zone {timezone!r}; write one like Europe/Paris") from None


def to_utc(
    local: datetime, timezone: str, *, fold: int | None, shift: bool = False, field: str = "local"
) -> datetime:
    """Return the UTC instant of the naive wall time *local* in *timezone*.

    A time that exists twice needs *fold* (0 the first, 1 the second); one that does not exist needs *shift*,
    which reads it with the offset before the gap, so that it moves forward by the gap (RFC 5545 §3.3.5).
    Raises AmbiguousLocalTime where the planner has not said, InvalidInput for an aware time, another *fold*
    or an unknown zone; *field* is the name the error gives.
    """
    if local.tzinfo is not None:
        raise InvalidInput(field, "write a local time, without an offset")
    if fold not in {None, 0, 1}:
        raise InvalidInput("fold", "write 0 for the first of two equal local times, 1 for the second")
    zone = zone_of(timezone)
    try:
        first, second = (local.replace(tzinfo=zone, fold=side).astimezone(UTC) for side in (0, 1))
    except OverflowError:
        raise InvalidInput(field, "this time is out of range") from None
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) == local.replace(fold=0):
        return _one_of_two(local, (first, second), fold, timezone, field)
    if shift:
        return first
    raise AmbiguousLocalTime(
        field,
        f"{_shown(local)} does not exist in {timezone}: the clocks skip it; choose a time before or after, or "
        "ask for it to be shifted",
        local=local,
    )


def _one_of_two(
    local: datetime, choices: tuple[datetime, datetime], fold: int | None, timezone: str, field: str
) -> datetime:
    if fold is not None:
        return choices[fold]
    first, second = (choice.strftime("%H:%M UTC") for choice in choices)
    raise AmbiguousLocalTime(
        field,
        f"{_shown(local)} exists twice in {timezone}: say whether the first ({first}) or the second "
        f"({second})",
        local=local,
        choices=choices,
    )


def _shown(local: datetime) -> str:
    return local.strftime("%Y-%m-%d %H:%M")
