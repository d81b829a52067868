"""The table of factors: what it lets in, and the bounds that no hospital can leave."""

import pytest

from policy.domain.factors import (
    ALONE,
    CONSOLE_TABLE,
    DEFAULT_TABLE,
    FIRST,
    Factor,
    FactorRow,
    FactorTable,
    Level,
    checked_table,
)
from policy.errors import InvalidInput

STANDARD, HIGH = Level.STANDARD, Level.HIGH


def row(*factors: Factor, level: Level = STANDARD) -> FactorRow:
    """Return a row of the table."""
    return FactorRow(frozenset(factors), level)


@pytest.mark.parametrize("factor", sorted(frozenset(Factor) - ALONE))
def test_one_factor_reaches_nothing(factor: Factor) -> None:
    """A password, a code, a file, a touch: none of them is a log-in, at either door."""
    assert DEFAULT_TABLE.level_of(frozenset({factor})) is None
    assert CONSOLE_TABLE.level_of(frozenset({factor})) is None
    assert DEFAULT_TABLE.level_of(frozenset()) is None


@pytest.mark.parametrize("factor", sorted(frozenset(Factor) - ALONE))
@pytest.mark.parametrize("level", list(Level))
def test_no_table_can_make_one_factor_enough(factor: Factor, level: Level) -> None:
    """Whatever an administrator writes, a single password, software key or touched key is refused as a row."""
    with pytest.raises(InvalidInput, match=r"rows\.0"):
        checked_table([row(factor, level=level)])


@pytest.mark.parametrize(
    ("proved", "level"),
    [
        ({Factor.PASSWORD, Factor.TOTP}, STANDARD),
        ({Factor.PUBLIC_KEY, Factor.TOTP}, STANDARD),
        ({Factor.SSH_CERTIFICATE, Factor.TOTP}, STANDARD),
        ({Factor.SECURITY_KEY, Factor.TOTP}, HIGH),
        ({Factor.SECURITY_KEY_VERIFIED}, HIGH),
        ({Factor.TOKEN_CERTIFICATE}, HIGH),
    ],
)
def test_the_default_table(proved: set[Factor], level: Level) -> None:
    """Hardware reaches the high level; what can be copied needs a code and reaches the standard one."""
    assert DEFAULT_TABLE.level_of(frozenset(proved)) is level


def test_a_stronger_key_serves_where_a_weaker_one_is_asked_for() -> None:
    """A hospital that asks for key and code takes a token and a code; what a key alone reaches stays nothing."""
    table = FactorTable((row(Factor.PUBLIC_KEY, Factor.TOTP),))
    for factor in (Factor.TOKEN_CERTIFICATE, Factor.SECURITY_KEY, Factor.SECURITY_KEY_VERIFIED):
        assert table.level_of(frozenset({factor, Factor.TOTP})) is STANDARD
        assert table.level_of(frozenset({factor})) is None
        assert table.begins_with(factor)
    assert not table.begins_with(Factor.PASSWORD)
    assert not table.begins_with(Factor.SSH_CERTIFICATE)


def test_a_weaker_key_never_serves_as_a_stronger_one() -> None:
    """Where tokens alone are taken, a software key with a code, or a touched key, is nothing."""
    table = FactorTable((row(Factor.TOKEN_CERTIFICATE, level=HIGH),))
    for factor in FIRST - {Factor.TOKEN_CERTIFICATE}:
        assert table.level_of(frozenset({factor, Factor.TOTP})) is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "at least one row"),
        ([row(Factor.TOTP)], "name exactly one"),
        ([row(Factor.PASSWORD, Factor.CONTINUED_CODE)], "write totp"),
        ([row(Factor.PASSWORD, Factor.TOTP, Factor.CONTINUED_CODE)], "write totp"),
        ([row(Factor.PASSWORD, Factor.PUBLIC_KEY)], "name exactly one"),
        ([row(Factor.PASSWORD, Factor.TOTP, level=HIGH)], "can be copied"),
        ([row(Factor.PUBLIC_KEY, Factor.TOTP, level=HIGH)], "can be copied"),
        ([row(Factor.SSH_CERTIFICATE, Factor.TOTP, level=HIGH)], "can be copied"),
        ([row(Factor.SECURITY_KEY)], "one factor"),
        ([row(Factor.TOKEN_CERTIFICATE), row(Factor.TOKEN_CERTIFICATE, Factor.TOTP)], "met first"),
        ([row(Factor.PASSWORD, Factor.TOTP), row(Factor.PASSWORD, Factor.TOTP)], "met first"),
    ],
)
def test_a_row_out_of_bounds_is_refused_with_the_way_out(rows: list[FactorRow], told: str) -> None:
    """Every refusal names the row and says what to write instead."""
    with pytest.raises(InvalidInput, match=told):
        checked_table(rows)


def test_the_default_table_is_within_its_own_bounds() -> None:
    """What nobody changed could have been written by hand."""
    assert set(checked_table(DEFAULT_TABLE.rows).rows) == set(DEFAULT_TABLE.rows)


def test_a_code_continued_counts_as_a_code_and_never_alone() -> None:
    """It stands for the code in a row, beside the first factor that was proved again, and for nothing else."""
    level_of = DEFAULT_TABLE.level_of
    assert level_of(frozenset({Factor.PASSWORD, Factor.CONTINUED_CODE})) is STANDARD
    assert level_of(frozenset({Factor.SECURITY_KEY, Factor.CONTINUED_CODE})) is HIGH
    assert level_of(frozenset({Factor.CONTINUED_CODE})) is None
    assert level_of(frozenset({Factor.CONTINUED_CODE, Factor.TOTP})) is None
    assert not DEFAULT_TABLE.begins_with(Factor.CONTINUED_CODE)
