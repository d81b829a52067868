"""A visit: one browser on the hospital's pages, on behalf of one person, for a short time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId


class VisitPurpose(StrEnum):
    """What was shown to begin it, and so what may be done in it."""

    ENROLMENT = "enrolment"
    """An invitation: everything is chosen anew."""
    ACCOUNT = "account"
    """Password and code: what she has is kept, completed, and accepted."""
    NEW_PASSWORD = "new-password"  # noqa: S105 - the name of a purpose, not a secret
    """A recovery code and a code of her telephone: she chooses another password."""
    NEW_PHONE = "new-phone"
    """Her password and a recovery code: she takes another TOTP secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is known of a visit; its bearer's secret is kept as a hash only.

    ``invitation_hash`` says which invitation began it. ``chosen_at`` is when the password was chosen in this visit,
    which alone may then see the TOTP secret; ``confirmed_at`` when what it came for was done: from then on the
    invitation is used up, and this visit alone goes on to the steps that follow. ``source`` is an IP literal.
    """

    hospital_id: HospitalId
    person_id: PersonId
    purpose: VisitPurpose
    source: str
    started_at: datetime
    expires_at: datetime
    invitation_hash: str | None = None
    chosen_at: datetime | None = None
    confirmed_at: datetime | None = None

    def open_at(self, at: datetime) -> bool:
        """Tell whether it may go on at the aware instant *at*."""
        return at < self.expires_at
