"""One log-in dialogue: what it is checked against, what was found, and what that means. Pure."""

from dataclasses import dataclass

from policy.domain.attempts import Attempt
from policy.domain.credentials import EnrolledKey
from policy.domain.factors import Factor, FactorTable
from policy.domain.logins import LoginReason
from policy.domain.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A reserved attempt and what it is checked against, read in the transaction that reserved it.

    All but ``attempt`` and ``table`` may be absent: an unknown person, or one who has not enrolled.
    ``certified``: the key proved before is hers, and its certificate, if it has one, in force.
    """

    attempt: Attempt
    person: Person | None
    password_hash: str | None
    totp_sealed: str | None
    keys: tuple[EnrolledKey, ...]
    certified: bool
    table: FactorTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What each factor turned out to be.

    ``first`` is the password or the key; ``step`` the time step whose code was given, None for a wrong
    code; ``vault_closed`` tells that the person's TOTP secret could not be opened; ``blob`` is the key's.
    """

    first: Factor
    first_right: bool
    step: int | None
    vault_closed: bool
    blob: bytes | None = None

    @property
    def right(self) -> frozenset[Factor]:
        """The factors that were right."""
        first = {self.first} if self.first_right else set()
        return frozenset(first | ({Factor.TOTP} if self.step is not None else set()))


def true_cause(expected: Expected, found: Found) -> LoginReason:
    """Name why the dialogue ends as it does; ALL_FACTORS is reached only past every other cause.

    A person who is not active is told nothing else than one who is wrong: whoever suspends her need not
    let her learn that her password still stands.
    """
    password = found.first is Factor.PASSWORD
    if expected.person is None:
        return LoginReason.UNKNOWN_PERSON
    if expected.totp_sealed is None or (password and expected.password_hash is None):
        return LoginReason.NOT_ENROLLED
    if found.vault_closed:
        return LoginReason.VAULT_CLOSED
    if not found.first_right and not password:
        return LoginReason.UNKNOWN_KEY
    if not found.first_right:
        return LoginReason.WRONG_PASSWORD_AND_CODE if found.step is None else LoginReason.WRONG_PASSWORD
    if found.step is None:
        return LoginReason.WRONG_CODE
    if not expected.person.active:
        return LoginReason.INACTIVE_PERSON
    if expected.table.level_of(found.right) is None:
        return LoginReason.NOT_IN_THE_TABLE
    return LoginReason.ALL_FACTORS
