"""Time-based one-time passwords (RFC 6238): SHA-1, 6 digits, 30 s, as every authenticator app speaks.

Which code was used is the store's to say (a unique row a person and step). A code is used up only by a
log-in that succeeds: were a code spent by a wrong password too, somebody who glimpsed it could burn it,
and an honest slip in the password would cost the wait for the next code; and nobody gains by keeping a
code fresh, for the lock-out counts the attempt either way.
"""

import hmac
import re
from datetime import datetime
from typing import Final

import pyotp

from policy.errors import AuthenticationFailed, VaultError
from policy.vault.secret import Secret

STEP_SECONDS: Final = 30
DRIFT_STEPS: Final = 1
_SECRET_CHARACTERS: Final = 32  # base32: 160 bits, RFC 4226 section 4 R6
_CODE: Final = re.compile(r"[0-9]{6}")
_MAXIMUM_TYPED: Final = 64


def new_secret() -> Secret:
    """Return a fresh 160-bit secret in base32."""
    return Secret(pyotp.random_base32(_SECRET_CHARACTERS))


def provisioning_uri(secret: Secret, *, login: str, hospital_name: str) -> Secret:
    """Return the ``otpauth://`` address that an authenticator app scans; as secret as the secret it holds."""
    issuer = f"Écluse {hospital_name}".replace(":", " ").strip()  # a colon separates issuer and account
    return Secret(pyotp.TOTP(secret.reveal()).provisioning_uri(name=login, issuer_name=issuer))


def current_step(at: datetime) -> int:
    """Return the number of the time step that the aware instant *at* falls in."""
    return int(at.timestamp()) // STEP_SECONDS


def verify(secret: Secret, code: str, at: datetime) -> int:
    """Return the time step whose code *code* is: that of *at*, or one before or after.

    Spaces are ignored; anything but six ASCII digits fails. Raises AuthenticationFailed if no step
    matches, VaultError if *secret* is no base32 secret. All three steps are always compared.
    """
    typed = code.replace(" ", "").replace("\N{NO-BREAK SPACE}", "") if len(code) <= _MAXIMUM_TYPED else ""
    sound = _CODE.fullmatch(typed) is not None
    offered = (typed if sound else "000000").encode("ascii")
    matched: int | None = None
    now = current_step(at)
    try:
        generator = pyotp.TOTP(secret.reveal())
        for step in (now + DRIFT_STEPS, now - DRIFT_STEPS, now):
            if hmac.compare_digest(generator.generate_otp(step).encode("ascii"), offered):
                matched = step
    except ValueError:
        raise VaultError(
            "a one-time password secret is no base32 text; the person must enrol again"
        ) from None
    if matched is None or not sound:
        raise AuthenticationFailed("authentication failed")
    return matched
