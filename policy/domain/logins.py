"""How a log-in ended, with its true cause: for the journal only, never for the person at the door."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.factors import Factor, Level
from policy.domain.ids import HospitalId, PersonId


class LoginResult(StrEnum):
    """What the person at the door was told, in effect."""

    SUCCESS = "success"
    FAILURE = "failure"
    LOCKED = "locked"
    BUSY = "busy"


class LoginReason(StrEnum):
    """The true cause."""

    ALL_FACTORS = "all-factors"
    CONTINUED = "continued-log-in"
    CODE_AGAIN = "code-given-again"
    UNKNOWN_PERSON = "unknown-person"
    INACTIVE_PERSON = "inactive-person"
    NOT_ENROLLED = "not-enrolled"
    UNKNOWN_KEY = "unknown-key"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a cause, not a secret
    WRONG_CODE = "wrong-code"
    WRONG_PASSWORD_AND_CODE = "wrong-password-and-code"  # noqa: S105 - the same
    REPLAYED_CODE = "replayed-code"
    VAULT_CLOSED = "vault-closed"
    NOT_IN_THE_TABLE = "factors-not-in-the-table"
    CERTIFICATE_EXPIRED = "certificate-not-in-its-time"
    CERTIFICATE_UNTRUSTED = "certificate-of-no-anchor"
    CERTIFICATE_UNFIT = "certificate-not-for-this"
    CERTIFICATE_REVOKED = "certificate-revoked"
    CERTIFICATE_UNCHECKED = "certificate-revocation-unknown"
    NOT_TOUCHED = "security-key-not-touched"
    TOO_MANY_FAILURES = "too-many-failures"
    TOO_MANY_AT_ONCE = "too-many-at-once"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOutcome:
    """One log-in, decided.

    ``login`` is as typed, bounded and printable; ``person_id`` is None for an unknown person; ``source`` a
    canonical IP literal; ``factors`` those that were right, whatever the result; ``key_fingerprint`` that of
    the key proved, if any; ``level`` what those factors reach, None where they let nobody in; ``detail`` what else
    the journal should know of the key; ``locked_until`` is aware UTC, set where the result is ``LOCKED``.
    """

    hospital_id: HospitalId
    at: datetime
    login: str
    person_id: PersonId | None
    source: str
    result: LoginResult
    reason: LoginReason
    factors: frozenset[Factor]
    key_fingerprint: str | None = None
    level: Level | None = None
    detail: str | None = None
    locked_until: datetime | None = None
