"""Instants on the screen and from the command line: the hospital's own wall clock, as on its planner's desk."""

import re
from datetime import datetime, timedelta, tzinfo
from typing import Annotated

import typer

Since = Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="On the hospital's clock.")]
Until = Annotated[str | None, typer.Option("--to", metavar="INSTANT", help="On the hospital's clock.")]

_MINUTE = "%Y-%m-%d %H:%M"
_SECOND = "%Y-%m-%d %H:%M:%S"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TO_THE_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")


def wall(text: object, zone: tzinfo, *, seconds: bool = False) -> str | None:
    """Return the API's instant *text* (ISO 8601 with an offset) as ``2026-11-22 20:45`` in *zone*; None for none.

    In the hour that a change of clocks repeats, the offset follows, for nothing else tells the two apart.
    """
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text).astimezone(zone)
    except ValueError:
        return text
    shown = at.strftime(_SECOND if seconds else _MINUTE)
    twice = at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
    return f"{shown} {at:%z}" if twice else shown


def span(start: object, end: object) -> str:
    """Return two wall times as one span; the end's day is left out where it is the start's."""
    first, last = str(start), str(end)
    return f"{first} – {last[11:] if first[:10] == last[:10] else last}"


def lasted(start: object, end: object) -> str | None:
    """Return the time between two of the API's instants as ``1:02:03`` or ``02:03``; None while it goes on."""
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    seconds = max(timedelta(0), datetime.fromisoformat(end) - datetime.fromisoformat(start)) // timedelta(
        seconds=1
    )
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def whole_minute(text: str) -> tuple[str, str] | None:
    """Return the first and the last instant of the minute that *text* names; None where it tells seconds or an offset.

    Lists show minutes: whoever copies one of them means all of it, not its first instant.
    """
    if not _TO_THE_MINUTE.fullmatch(text.strip()):
        return None
    return f"{text.strip()}:00", f"{text.strip()}:59.999"


def through(text: str) -> str:
    """Return the end of the day where *text* names a whole one, which is included then; else *text*."""
    return f"{text.strip()} 23:59:59" if _DAY.fullmatch(text.strip()) else text


def read(text: str, option: str) -> datetime:
    """Read what somebody typed for an instant: a day, a wall time, or an instant with its offset.

    Without an offset it comes back naive. Raises typer.BadParameter naming *option*.
    """
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            'write "2026-11-23 20:30" on the hospital\'s clock, or 2026-11-23T20:30:00+01:00',
            param_hint=option,
        ) from None
