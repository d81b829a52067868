"""What counts as a log-in: factors, the levels they reach together, and the table that a hospital may change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policy.errors import InvalidInput


class Factor(StrEnum):
    """An authentication factor that was proved at log-in.

    A ``PUBLIC_KEY`` and an ``SSH_CERTIFICATE`` may be files that somebody copied; a ``SECURITY_KEY`` was touched;
    a ``SECURITY_KEY_VERIFIED`` was touched by somebody it recognised (PIN, finger); a ``TOKEN_CERTIFICATE`` is a
    key that its token, which asks for a PIN, does not give away, under an X.509 certificate in force. A
    ``CONTINUED_CODE`` is the code of a log-in completed a moment ago from the same place, where that is allowed.
    """

    PASSWORD = "password"  # noqa: S105 - the name of a factor, not a secret
    TOTP = "totp"
    CONTINUED_CODE = "continued-code"
    PUBLIC_KEY = "public-key"
    SSH_CERTIFICATE = "ssh-certificate"
    SECURITY_KEY = "security-key"
    SECURITY_KEY_VERIFIED = "security-key-verified"
    TOKEN_CERTIFICATE = "token-certificate"  # noqa: S105 - the name of a factor, not a secret


class Level(StrEnum):
    """How sure a log-in makes one of who came. ``HIGH``: by hardware, which neither copies nor phishing yield."""

    STANDARD = "standard"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Its place, the weakest first."""
        return tuple(Level).index(self)


FIRST: Final = frozenset(Factor) - {Factor.TOTP, Factor.CONTINUED_CODE}
"""What a log-in begins with: one of these, and a code where it is not enough."""
ALONE: Final = frozenset({Factor.SECURITY_KEY_VERIFIED, Factor.TOKEN_CERTIFICATE})
"""What is two factors by itself: a thing that is held, and that asks for what its holder knows or is."""
HARDWARE: Final = ALONE | {Factor.SECURITY_KEY}
"""What cannot be copied."""

_SERVES_AS: Final[Mapping[Factor, frozenset[Factor]]] = {
    Factor.SECURITY_KEY: frozenset({Factor.PUBLIC_KEY}),
    Factor.SECURITY_KEY_VERIFIED: frozenset({Factor.SECURITY_KEY, Factor.PUBLIC_KEY}),
    Factor.TOKEN_CERTIFICATE: frozenset({Factor.PUBLIC_KEY}),
    Factor.CONTINUED_CODE: frozenset({Factor.TOTP}),
}


@dataclass(frozen=True, slots=True, order=True)
class FactorRow:
    """One line of the table: *factors* proved together reach *level*."""

    factors: frozenset[Factor]
    level: Level


@dataclass(frozen=True, slots=True)
class FactorTable:
    """Which factors let somebody in, and to which level. Anything that is no row lets nobody in."""

    rows: tuple[FactorRow, ...]

    def level_of(self, proved: frozenset[Factor]) -> Level | None:
        """Return the highest level that *proved* reaches, None where no row is met.

        The stronger kind of a key serves where the table asks for a weaker one, a code continued for a code.
        """
        able = proved.union(*(_SERVES_AS.get(factor, frozenset()) for factor in proved))
        reached = (row.level for row in self.rows if row.factors <= able)
        return max(reached, key=lambda level: level.rank, default=None)

    def begins_with(self, factor: Factor) -> bool:
        """Tell whether a log-in that begins with *factor* can lead in, with a code if need be."""
        return self.level_of(frozenset({factor, Factor.TOTP})) is not None


DEFAULT_TABLE: Final = FactorTable(
    (
        FactorRow(frozenset({Factor.PASSWORD, Factor.TOTP}), Level.STANDARD),
        FactorRow(frozenset({Factor.PUBLIC_KEY, Factor.TOTP}), Level.STANDARD),
        FactorRow(frozenset({Factor.SSH_CERTIFICATE, Factor.TOTP}), Level.STANDARD),
        FactorRow(frozenset({Factor.SECURITY_KEY, Factor.TOTP}), Level.HIGH),
        FactorRow(frozenset({Factor.SECURITY_KEY_VERIFIED}), Level.HIGH),
        FactorRow(frozenset({Factor.TOKEN_CERTIFICATE}), Level.HIGH),
    )
)
"""The table of a hospital that has not changed it."""
CONSOLE_TABLE: Final = FactorTable((DEFAULT_TABLE.rows[0],))
"""The hospital's own side logs in with password and code; its table is not the technicians'."""


def checked_table(rows: Iterable[FactorRow]) -> FactorTable:
    """Return the table of *rows* if it stays within bounds; raises InvalidInput naming the row and the way out.

    Each row is one first factor, with or without a code; alone only where it is two factors by itself. ``HIGH``
    takes hardware. No row is met before another one that asks for more, and one row at least is left.
    """
    found = tuple(rows)
    if not found:
        raise InvalidInput("rows", "keep at least one row: without any, nobody could log in")
    for number, row in enumerate(found):
        _check_row(f"rows.{number}", row)
        if any(other is not row and other.factors <= row.factors for other in found):
            raise InvalidInput(
                f"rows.{number}", "asks for more than another row, which would be met first: keep one of them"
            )
    return FactorTable(tuple(sorted(found, key=lambda row: sorted(row.factors))))


def _check_row(field: str, row: FactorRow) -> None:
    first = row.factors & FIRST
    if Factor.CONTINUED_CODE in row.factors:
        raise InvalidInput(f"{field}.factors", "write totp: a code is continued where the hospital allows it")
    if len(first) != 1:
        names = ", ".join(sorted(FIRST))
        raise InvalidInput(
            f"{field}.factors", f"name exactly one of {names}, and totp where a code is needed"
        )
    if Factor.TOTP not in row.factors and not first <= ALONE:
        raise InvalidInput(
            f"{field}.factors",
            f"add totp: {next(iter(first)).value} alone is one factor, and two are the least (S35); "
            f"only {' or '.join(sorted(ALONE))} may stand alone",
        )
    if row.level is Level.HIGH and not first <= HARDWARE:
        raise InvalidInput(
            f"{field}.level", f"only {', '.join(sorted(HARDWARE))} reach high: anything else can be copied"
        )
