"""What a bearer shows to be let in: invitations to enrol, tokens of the API. Their secret is kept nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A person's invitation to choose her password and her TOTP secret; serves once, before ``expires_at``.

    ``invited_by`` is None where the installation itself invited her. ``spoken_hash`` is there where a code that she is
    told by voice has to come with it, and ``spoken_failures`` counts the wrong ones.
    """

    hospital_id: HospitalId
    person_id: PersonId
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    invited_by: PersonId | None = None
    spoken_hash: str | None = None
    spoken_failures: int = 0

    def open_at(self, at: datetime) -> bool:
        """Tell whether it may still be used at the aware instant *at*."""
        return self.used_at is None and at < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A token of the API: ``roles`` are the most it may do, whatever its person may."""

    id: str
    hospital_id: HospitalId
    person_id: PersonId
    roles: frozenset[Role]
    label: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def open_at(self, at: datetime) -> bool:
        """Tell whether it may be used at the aware instant *at*."""
        return self.revoked_at is None and at < self.expires_at

    def described(self) -> Mapping[str, object]:
        """Return what an event may say of it."""
        return {
            "person": self.person_id,
            "roles": sorted(role.value for role in self.roles),
            "label": self.label,
            "expires_at": self.expires_at.isoformat(),
        }
