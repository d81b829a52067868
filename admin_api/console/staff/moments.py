"""Instants as a hospital's people read them: in its zone, with how long ago."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from babel.dates import format_datetime, format_timedelta
from markupsafe import Markup

from admin_api.console.staff.words import say
from policy.domain.local_time import zone_of
from policy.domain.people import Language

_LONG: Final = {
    Language.FRENCH: "EEEE d MMMM y 'à' HH:mm:ss zzz",
    Language.ENGLISH: "EEEE d MMMM y 'at' HH:mm:ss zzz",
}
_SHORT: Final = {Language.FRENCH: "d MMM y HH:mm", Language.ENGLISH: "d MMM y HH:mm"}
_RELATIVE_WITHIN: Final = timedelta(days=31)
_NOW: Final = timedelta(seconds=5)


def when(at: datetime, now: datetime, language: Language, timezone: str, *, relative: bool = True) -> Markup:
    """Return the aware instant *at* as markup: its short form, the whole one on demand, and how far from *now*."""
    zone, locale = zone_of(timezone), _locale(language)
    local = at.astimezone(zone)
    whole = format_datetime(local, _LONG[language], tzinfo=zone, locale=locale)
    told = Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(), whole, short(at, language, timezone)
    )
    if not relative or abs(now - at) > _RELATIVE_WITHIN:
        return told
    return told + Markup(' <span class="ago">{}</span>').format(ago(at, now, language))


def exact(at: datetime, language: Language, timezone: str) -> Markup:
    """Return the aware instant *at* as markup that tells it whole, to the second and with its zone: for paper."""
    whole = format_datetime(
        at.astimezone(zone_of(timezone)), _LONG[language], tzinfo=zone_of(timezone), locale=_locale(language)
    )
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(), whole)


def short(at: datetime, language: Language, timezone: str) -> str:
    """Return the aware instant *at* as day and minute of *timezone*."""
    zone = zone_of(timezone)
    return format_datetime(at.astimezone(zone), _SHORT[language], tzinfo=zone, locale=_locale(language))


def ago(at: datetime, now: datetime, language: Language) -> str:
    """Return how far *at* is from *now*, in words, before or after; a few seconds are none."""
    if abs(at - now) < _NOW:
        return say("ago.now", language)
    return str(format_timedelta(at - now, add_direction=True, threshold=1.0, locale=_locale(language)))


def lasting(length: timedelta | None) -> str:
    """Return a length of time as ``1:05:09``, or ``5:09`` below an hour; a dash where nobody knows."""
    if length is None:
        return "–"
    seconds = max(0, int(length.total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def day_start(text: str, timezone: str) -> datetime | None:
    """Return the instant at which the day ``YYYY-MM-DD`` begins in *timezone*; None where it is no day."""
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time(), zone_of(timezone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day_end(text: str, timezone: str) -> datetime | None:
    """Return the instant at which the day after ``YYYY-MM-DD`` begins in *timezone*; None where it is no day."""
    try:
        return day_start((date.fromisoformat(text) + timedelta(days=1)).isoformat(), timezone)
    except (ValueError, OverflowError):
        return None


def _locale(language: Language) -> str:
    return "fr_FR" if language is Language.FRENCH else "en_GB"
