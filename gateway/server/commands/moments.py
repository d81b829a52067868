"""Instants as a technician types and reads them: on the hospital's own clock, and nothing guessed."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.errors import CommandMisused
from policy.domain.local_time import to_utc, zone_of
from policy.errors import AmbiguousLocalTime, InvalidInput

FIRST, SECOND = "first", "second"
_NOW: Final = frozenset({"now", "maintenant"})
_DAYS: Final = {"today": 0, "aujourd'hui": 0, "tomorrow": 1, "demain": 1}
_CLOCK = re.compile(r"(\d{1,2})[:h](\d{2})", re.ASCII)
_LENGTH = re.compile(r"\+?(\d{1,4})(m|min|h)?", re.ASCII)
_WALL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?", re.ASCII)


def span(
    start: str, end: str, *, start_fold: str | None, end_fold: str | None, timezone: str, now: datetime
) -> tuple[datetime, datetime]:
    """Return the aware UTC instants typed for ``--from`` and ``--to``.

    *start*: ``now``, ``20:30``, ``tomorrow 20:30``, ``2026-11-23 20:30``, or an instant with its offset. *end*: the
    same, a bare hour being of the start's day, or a length that has elapsed then (``+90m``, ``+2h``). A time that the
    change of clocks makes doubtful is refused until ``--from-fold`` or ``--to-fold`` says which; one that does not
    exist, always. Raises CommandMisused.
    """
    zone = zone_of(timezone)
    here = now.astimezone(zone)
    if start.lower() in _NOW:
        begun = now.astimezone(UTC).replace(second=0, microsecond=0)
    else:
        begun = _instant(start, "--from", start_fold, timezone, here)
    if end.startswith("+"):
        try:
            return begun, begun + length(end, "--to")
        except OverflowError:
            raise CommandMisused("command.when", option="--to") from None
    return begun, _instant(end, "--to", end_fold, timezone, begun.astimezone(zone))


def length(text: str, option: str) -> timedelta:
    """Return a length typed as ``15``, ``+15m`` or ``2h``; bare numbers are minutes. Raises CommandMisused."""
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise CommandMisused("command.length", option=option)
    return int(found[1]) * (timedelta(hours=1) if found[2] == "h" else timedelta(minutes=1))


def wall(at: datetime, timezone: str) -> str:
    """Return *at* as ``2026-11-22 20:45``; in the hour that a change of clocks repeats, with its offset."""
    local = at.astimezone(zone_of(timezone))
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.strftime("%Y-%m-%d %H:%M %z" if twice else "%Y-%m-%d %H:%M")


def _instant(text: str, option: str, fold: str | None, timezone: str, here: datetime) -> datetime:
    typed = text.strip()
    day, _, clock = typed.rpartition(" ")
    if found := _CLOCK.fullmatch(clock):
        date = _date(day.lower(), here, option)
        if date is not None:
            typed = f"{date:%Y-%m-%d} {int(found[1]):02}:{found[2]}"
    try:
        written = datetime.fromisoformat(typed)
    except ValueError:
        raise CommandMisused("command.when", option=option) from None
    if written.tzinfo is not None:
        try:
            return written.astimezone(UTC)
        except OverflowError:
            raise CommandMisused("command.when", option=option) from None
    if _WALL.fullmatch(typed) is None:
        raise CommandMisused("command.when", option=option)
    return _on_the_clock(written, option, fold, timezone)


def _date(day: str, here: datetime, option: str) -> datetime | None:
    """Return the day that *day* names from *here*; None where it is a date to be read as such."""
    if not day:
        return here
    if day not in _DAYS:
        return None
    try:
        return here + timedelta(days=_DAYS[day])
    except OverflowError:
        raise CommandMisused("command.when", option=option) from None


def _on_the_clock(written: datetime, option: str, fold: str | None, timezone: str) -> datetime:
    if fold not in {None, FIRST, SECOND}:
        raise CommandMisused("command.fold", option=f"{option}-fold")
    try:
        return to_utc(written, timezone, fold=None if fold is None else (FIRST, SECOND).index(fold))
    except AmbiguousLocalTime as doubt:
        shown = written.strftime("%Y-%m-%d %H:%M")
        if not doubt.choices:
            raise CommandMisused("command.no-such-time", time=shown) from None
        first, second = (choice.strftime("%H:%M UTC") for choice in doubt.choices)
        raise CommandMisused(
            "command.two-times", time=shown, option=f"{option}-fold", first=first, second=second
        ) from None
    except InvalidInput:
        raise CommandMisused("command.when", option=option) from None
