"""What the store keeps of a person's and an account's secrets: hashes, public keys and sealed envelopes only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId


class KeyKind(StrEnum):
    """What a public key counts as. A ``TOKEN`` key serves under its certificate only, never by itself."""

    PLAIN = "plain"
    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledKey:
    """A public key of one person; one fingerprint belongs to one person of a hospital (rule E3).

    ``blob`` is the key in SSH wire format, ``fingerprint`` is ``SHA256:…`` of it, ``added_at`` is aware UTC.
    """

    hospital_id: HospitalId
    person_id: PersonId
    algorithm: str
    blob: bytes
    fingerprint: str
    label: str
    added_at: datetime
    kind: KeyKind = KeyKind.PLAIN


class SealedKind(StrEnum):
    """The kinds of rows that hold a sealed envelope."""

    ACCOUNT_SECRET = "account-secret"  # noqa: S105 - the name of a kind of row, not a secret
    TOTP_SECRET = "totp-secret"  # noqa: S105 - the same
    MAIL_LINK = "mail-link"
    AUTHORITY_KEY = "authority-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """A sealed envelope and whose it is: ``owner`` is the account's, the person's or the authority's id."""

    kind: SealedKind
    hospital_id: HospitalId
    owner: str
    sealed: str

    @property
    def context(self) -> str:
        """The context it is sealed under: an envelope moved to another row does not open."""
        return sealing_context(self.kind, self.hospital_id, self.owner)


def sealing_context(kind: SealedKind, hospital_id: HospitalId, owner: str) -> str:
    """Return the context to seal the secret of *owner* (an account's, a person's, an authority's id) under."""
    return f"{kind.value}/{hospital_id}/{owner}"
