"""Bearer secrets: 256 random bits that say which hospital they belong to; only their hash is kept."""

import hashlib
import re
import secrets

from policy.domain.ids import HospitalId
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret

_SHAPE = re.compile(r"(?P<kind>[a-z]{3,8})_(?P<hospital>[0-9a-f]{32})_[A-Za-z0-9_-]{43}")


def mint(kind: str, hospital_id: HospitalId) -> Secret:
    """Return a fresh secret of that *kind* (three to eight letters) for that hospital."""
    return Secret(f"{kind}_{hospital_id}_{secrets.token_urlsafe(32)}")


def read(kind: str, shown: Secret) -> tuple[HospitalId, str]:
    """Return the hospital and the SHA-256 (hexadecimal) of a secret; raises AuthenticationFailed for any other."""
    text = shown.reveal().strip()
    match = _SHAPE.fullmatch(text)
    if match is None or match["kind"] != kind:
        raise AuthenticationFailed("authentication failed")
    return HospitalId(match["hospital"]), digest(Secret(text))


def digest(secret: Secret) -> str:
    """Return what is kept of a secret: of 256 random bits, a plain hash cannot be searched."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()
