"""Times at the database's edge."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from policy.store.columns import Microseconds, UtcDateTime

DIALECTS = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]  # the library leaves these untyped
INSTANTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone itself
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - same
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-11))]),
)


@given(INSTANTS, st.sampled_from(DIALECTS))
def test_an_instant_comes_back_in_utc(at: datetime, dialect: object) -> None:
    """Whatever offset it was written with, the same instant is read, to the microsecond, in UTC."""
    column = UtcDateTime()
    back = column.process_result_value(column.process_bind_param(at, dialect), dialect)  # type: ignore[arg-type]  # one of DIALECTS
    assert back == at
    assert back is not None
    assert back.utcoffset() == timedelta(0)


def test_a_naive_time_is_refused() -> None:
    """Nobody knows which instant it is."""
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 3), DIALECTS[0])  # noqa: DTZ001 - the attack


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_length_of_time_comes_back_whole(length: timedelta) -> None:
    """Not a microsecond is lost."""
    column = Microseconds()
    bound = column.process_bind_param(length, DIALECTS[0])
    assert column.process_result_value(bound, DIALECTS[0]) == length
