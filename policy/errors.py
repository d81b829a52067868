"""Errors of the policy package.

PolicyError
├── InvalidInput            a value was refused; names the field and the way out
│   └── AmbiguousLocalTime  a local time that does not exist or exists twice
├── MissingMessage          a catalogue lacks a sentence, or a sentence lacks an argument
├── NotFound                no such row in this hospital
├── Conflict                the row exists already, or changed meanwhile
│   ├── SecretReused        the same secret on two devices (rule T9)
│   ├── NameTaken           something else has that name
│   └── AlreadySo           what was asked for is the case: nothing is to be done
├── RequestRefused          what a technician asked for cannot be; carries the finding she reads
├── Forbidden               the person may not do this (roles, four eyes)
├── AuthenticationFailed    wrong or missing factor; says nothing of which
│   ├── LockedOut           too many failures; says until when
│   └── KeyUnfit            her own key, proved, whose certificate serves no longer; says why
├── MailRefused             the mail server did not take a mail; it is tried again
├── CallRefused             the webhook did not take a message; it is tried again
├── PolicyUnavailable       the store cannot be read or written
└── VaultError              a secret cannot be sealed or opened
    └── KeyMissing          the keyring lacks the key that sealed it
"""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy.domain.access import Finding


class PolicyError(Exception):
    """Base of this package's errors; never raised itself."""


class InvalidInput(PolicyError):
    """A value was refused. ``field`` is its name (dotted path), ``message`` says what to write instead."""

    def __init__(self, field: str, message: str) -> None:
        """Name the *field* refused and say, in *message*, what would be accepted."""
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class AmbiguousLocalTime(InvalidInput):
    """A local time does not exist, or exists twice, on the day the clocks change; the planner must say which.

    ``local`` is that naive wall time; ``choices`` are the two UTC instants it may mean, earlier first, and
    empty where it does not exist.
    """

    def __init__(
        self, field: str, message: str, *, local: datetime, choices: tuple[datetime, ...] = ()
    ) -> None:
        """Name the *field*, the way out, the *local* time at fault and the *choices* there are."""
        super().__init__(field, message)
        self.local = local
        self.choices = choices


class MissingMessage(PolicyError):
    """A catalogue lacks this sentence in this language, or the sentence lacks an argument."""


class NotFound(PolicyError):
    """There is no such row in this hospital."""

    def __init__(self, noun: str, key: str) -> None:
        """Say which *noun* (``device``) was looked for under which *key*."""
        super().__init__(f"no {noun} {key!r}")
        self.noun = noun
        self.key = key


class Conflict(PolicyError):
    """The row exists already, or changed under the caller's feet."""


class SecretReused(Conflict):
    """The same secret already serves another device (rule T9)."""


class NameTaken(Conflict):
    """Something else of its kind has that name: another one is to be chosen."""


class AlreadySo(Conflict):
    """What was asked for is the case already: nothing was done, and nothing is to be done."""


class RequestRefused(PolicyError):
    """What a technician asked for cannot be: ``finding`` says the rule, what is missing and whose move it is."""

    def __init__(self, finding: "Finding") -> None:
        """Carry the *finding*."""
        super().__init__(finding.key)
        self.finding = finding


class Forbidden(PolicyError):
    """The person may not do this."""


class AuthenticationFailed(PolicyError):
    """A factor was wrong or missing. Carries no hint of which (invariant 7)."""


class KeyUnfit(AuthenticationFailed):
    """A person's own key was proved, and its certificate does not serve now; ``reason`` may be told to her."""

    def __init__(self, reason: str) -> None:
        """Say why: the value of a ``LoginReason``."""
        super().__init__("authentication failed")
        self.reason = reason


class LockedOut(AuthenticationFailed):
    """Too many failures: nothing is looked at before ``until`` (aware UTC)."""

    def __init__(self, until: datetime) -> None:
        """Say *until* when nothing is looked at."""
        super().__init__("too many failures")
        self.until = until


class MailRefused(PolicyError):
    """The mail server did not take a mail. Says what it answered, never what the mail held."""


class CallRefused(PolicyError):
    """The hospital's webhook did not take a message. Says why, never with what secret it was signed."""


class PolicyUnavailable(PolicyError):
    """The policy store cannot be read or written."""


class VaultError(PolicyError):
    """A secret cannot be sealed or opened."""


class KeyMissing(VaultError):
    """The keyring lacks the key that sealed this secret."""
