"""How an instant is written in headers, manifests and the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from recorder.errors import TraceFormatError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"


def text(at: datetime) -> str:
    """An aware instant as ``2026-03-29T01:30:00.000000Z``: always UTC, always six digits.

    Raises:
        TraceFormatError: The instant has no time zone.
    """
    if at.tzinfo is None:
        raise TraceFormatError("an instant must be aware (UTC), this one has no time zone")
    return at.astimezone(UTC).strftime(_FORM)


def parse(value: object) -> datetime:
    """The aware UTC instant that `text` wrote.

    Raises:
        TraceFormatError: It is written otherwise.
    """
    try:
        return datetime.strptime(str(value), _FORM).replace(tzinfo=UTC)
    except ValueError as error:
        raise TraceFormatError(
            f"an instant is written like 2026-03-29T01:30:00.000000Z, not {value!r}"
        ) from error


def to_ns(at: datetime) -> int:
    """Nanoseconds since 1970 UTC of an aware instant, exact to the microsecond."""
    return ((at - _EPOCH) // timedelta(microseconds=1)) * 1000
