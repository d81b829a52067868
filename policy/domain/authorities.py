"""The hospital's SSH authority that devices trust: its key signs a certificate for each session (X14)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import AuthorityId, HospitalId, PersonId


class AuthorityState(StrEnum):
    """Coming: devices learn to trust it. Signing: certificates are its. Retired: devices may forget it."""

    COMING = "coming"
    SIGNING = "signing"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthority:
    """A certification authority for log-ins on devices, and for nothing else (one key, one use).

    ``public_key`` is the OpenSSH line for a device's ``TrustedUserCAKeys``, ``fingerprint`` is ``SHA256:…`` of
    it. Instants are aware UTC. The private half is sealed in the vault; a retired one's is destroyed.
    """

    id: AuthorityId
    hospital_id: HospitalId
    state: AuthorityState
    public_key: str
    fingerprint: str
    made_at: datetime
    made_by: PersonId
    retired_at: datetime | None = None

    @property
    def trusted(self) -> bool:
        """Whether devices have to trust it now: there are two while one takes over from the other."""
        return self.state is not AuthorityState.RETIRED
