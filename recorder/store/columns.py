"""Column types that keep instants the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FIRST = (datetime(1000, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
_LAST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _TICK
"""The first and the last instant that every time zone can show, in four digits of a year.

What lies beyond is read as the nearest of the two: a row that a gateway planted must not break the list it is in.
"""


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, stored as whole microseconds since 1970: one order on every database."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be aware (UTC)")
        return (value - _EPOCH) // _TICK

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + min(max(value, _FIRST), _LAST) * _TICK
