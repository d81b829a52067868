"""Mails that wait to leave, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId


class MailKind(StrEnum):
    """What a mail says; its words are in the catalogues."""

    INVITATION = "invitation"
    RENEWAL = "renewal"
    RENEWED = "renewed"
    ENROLLED = "enrolled"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the name of a mail, not a secret
    PHONE_CHANGED = "phone-changed"
    RECOVERY_USED = "recovery-used"
    KEY_ADDED = "key-added"
    KEY_REMOVED = "key-removed"
    CODES_RENEWED = "codes-renewed"
    INVITATION_BLOCKED = "invitation-blocked"
    ALARM = "alarm"


class MailState(StrEnum):
    """Where a mail stands."""

    WAITING = "waiting"
    SENT = "sent"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one person. ``arguments`` hold no secret; ``sealed`` is the link of an invitation, sealed.

    Tried from ``next_try_at`` until it has left or ``expires_at`` is there; ``fault`` is the server's last word.
    All instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    person_id: PersonId
    kind: MailKind
    queued_at: datetime
    expires_at: datetime
    next_try_at: datetime
    arguments: Mapping[str, str] = field(default_factory=dict)
    sealed: str | None = None
    tries: int = 0
    sent_at: datetime | None = None
    abandoned_at: datetime | None = None
    fault: str | None = None

    @property
    def state(self) -> MailState:
        """Where it stands."""
        if self.sent_at is not None:
            return MailState.SENT
        return MailState.WAITING if self.abandoned_at is None else MailState.ABANDONED
