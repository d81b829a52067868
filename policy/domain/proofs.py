"""The key or certificate that a log-in was proved with, and what has become of it since."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedLogin:
    """A log-in under way that began with a key. ``key`` is in SSH wire format, ``source`` an IP literal.

    ``token``: the key counted as a token's, under its certificate.
    """

    hospital_id: HospitalId
    person_id: PersonId
    source: str
    key: bytes = field(repr=False)
    token: bool = False


class Loss(StrEnum):
    """Why a key counts no more.

    ``REMOVED``: it is not hers any more; ``EXPIRED``, ``REVOKED``: its certificate; ``UNTRUSTED``: nobody who is
    believed certifies it any more; ``UNFIT``: its certificate is not for this.
    """

    REMOVED = "removed"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNTRUSTED = "untrusted"
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStanding:
    """Whether a key that was proved still counts: it does unless there is a ``loss``.

    ``fingerprint`` as OpenSSH says it; ``until`` is the next instant (aware UTC) at which it ends by itself, None
    where it does not; ``by`` names who, or which list or responder, brought the loss about, '' where nobody did.
    """

    fingerprint: str
    loss: Loss | None = None
    until: datetime | None = None
    by: str = ""
