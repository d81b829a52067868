"""When a window opens, as a planner types it: on the hospital's clock, and the option at fault named."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from ecluse.client import Json

NOW: Final = "now"
OPTIONS: Final[Mapping[str, str]] = {
    "start": "--start",
    "end": "--end",
    "start_fold": "--start-fold",
    "end_fold": "--end-fold",
    "recurrence": "--rrule",
    "recurrence.start": "--start",
    "recurrence.duration": "--end",
    "recurrence.exceptions": "--except",
    "people": "--person",
    "devices": "--device",
    "groups": "--group",
    "account": "--account",
    "channels": "--channel",
    "forwards": "--forward",
    "purpose": "--purpose",
    "idle": "--idle",
    "outage_grace_seconds": "--outage-grace",
    "idle.ceiling": "--output-counts",
    "idle.ceiling_seconds": "--output-counts",
}
"""The option that each field of the API was typed for; a field below another one goes by the nearest."""

_PORT = re.compile(r"[0-9]{1,5}")
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?")
_CLOCK = re.compile(r"\d{2}:\d{2}")
_LENGTH = re.compile(r"\+(\d{1,4})([mh])")


def opening(
    start: str, end: str, start_fold: str | None, end_fold: str | None, here: Callable[[], datetime]
) -> Json:
    """Return the API's fields for what was typed as *start* and *end*.

    *start* may be ``now``: the minute that it is. *end* may be a time of the start's day, or a length (``+90m``,
    ``+2h``) that has elapsed then, whatever the clocks do between. *here* tells the present instant in the
    hospital's time zone, and is asked only where one of these needs it. Raises typer.BadParameter.
    """
    if start.strip() == NOW:
        begun = here().replace(second=0, microsecond=0)
        start, start_fold = _written(begun), start_fold or _fold(begun)
    start = _local(start, "--start", 'write "2026-11-23 20:30" on the hospital\'s clock, or now')
    if length := _LENGTH.fullmatch(end.strip()):
        zone = here().tzinfo
        begun = datetime.fromisoformat(start).replace(tzinfo=zone, fold=int(start_fold == "second"))
        unit = timedelta(hours=1) if length[2] == "h" else timedelta(minutes=1)
        over = (begun.astimezone(UTC) + int(length[1]) * unit).astimezone(zone)
        end, end_fold = _written(over), end_fold or _fold(over)
    elif _CLOCK.fullmatch(end.strip()):
        # an end before the start is for the planner to write in full: nothing is guessed
        end = f"{start[:10]} {end.strip()}"
    end = _local(end, "--end", 'write 22:30, "2026-11-24 02:00" on the hospital\'s clock, or +90m or +2h')
    return {"start": start, "end": end, "start_fold": start_fold, "end_fold": end_fold}


def exception(day: str, start: str) -> str:
    """Give a day left out the hour at which its occurrence would have started."""
    return f"{day}{start[10:]}" if len(day) == len("YYYY-MM-DD") else day


def option(field: str, options: Mapping[str, str]) -> str:
    """Return the option that the API's *field* (a dotted path) was typed for; the field itself where there is none."""
    place = field
    while place:
        if place in options:
            return options[place]
        place = place.rpartition(".")[0]
    return field


def _local(text: str, name: str, asked: str) -> str:
    text = text.strip()
    try:
        datetime.fromisoformat(text)
    except ValueError:
        text = ""
    if _LOCAL.fullmatch(text) is None:
        raise typer.BadParameter(asked, param_hint=name)
    return text


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")


def _fold(at: datetime) -> str | None:
    """Return which one *at* is where its wall time exists twice; None where it exists once."""
    if at.replace(fold=0).utcoffset() == at.replace(fold=1).utcoffset():
        return None
    return "second" if at.fold else "first"


def forward(text: str) -> Json:
    """Read ``443`` or ``443=console``; raises typer.BadParameter."""
    number, _, label = text.partition("=")
    if _PORT.fullmatch(number.strip()) is None:
        raise typer.BadParameter(
            "write a port of the device, with what it is: 443=console", param_hint="--forward"
        )
    return {"port": int(number), "label": label.strip() or None}
