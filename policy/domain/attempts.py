"""Log-in attempts: what the lock-out rules look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId


class AttemptOutcome(StrEnum):
    """How an attempt ended. ``PENDING`` is reserved before anything is checked, and settled once."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class AttemptKind(StrEnum):
    """Which dialogue was tried."""

    PASSWORD_AND_CODE = "password-and-code"  # noqa: S105 - the name of a dialogue, not a secret
    KEY_AND_CODE = "key-and-code"
    KEY_ALONE = "key-alone"
    PASSWORD_AND_RECOVERY = "password-and-recovery"  # noqa: S105 - the same
    RECOVERY_AND_CODE = "recovery-and-code"
    SESSION_AND_CODE = "session-and-code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a log-in, under the login as it was typed (whether or not such a person exists).

    ``id`` comes from ``new_id``; ``login`` has at most 64 characters; ``source`` is a canonical IP literal;
    ``origin`` is what counts as one source (the IPv4 address, or the IPv6 /64 network); ``at`` is aware UTC.
    """

    id: str
    hospital_id: HospitalId
    login: str
    source: str
    origin: str
    at: datetime
    outcome: AttemptOutcome
    kind: AttemptKind
