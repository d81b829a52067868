"""Keys that a person holds: which of her enrolled ones a signature was made with, and what factor that proves."""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.authn import ssh_keys
from policy.domain.credentials import EnrolledKey, KeyKind
from policy.domain.factors import Factor, FactorTable
from policy.domain.logins import LoginReason


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProof:
    """A signature that was verified with the key *blob* (SSH wire format).

    ``touched`` and ``verified``: what a security key signed of its holder (PROTOCOL.u2f: flags 0x01 and 0x04).
    """

    blob: bytes
    touched: bool = False
    verified: bool = False


class KeyRefused(Exception):
    """A key proves nothing; ``reason`` and ``detail`` are the journal's."""

    def __init__(self, reason: LoginReason, detail: str | None = None) -> None:
        """Keep the true cause."""
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail


def enrolled_as(blob: bytes, keys: Iterable[EnrolledKey]) -> EnrolledKey | None:
    """Return the one of *keys* that is *blob*, None where none is; compares with every one of them."""
    found = None
    for key in keys:
        if ssh_keys.is_one_of(blob, (key.blob,)):
            found = key
    return found


def may_lead_in(key: EnrolledKey | None, table: FactorTable) -> bool:
    """Tell whether a signature by *key* could begin a log-in under *table*."""
    if key is None:
        return False
    if key.kind is KeyKind.TOKEN:
        return table.begins_with(Factor.TOKEN_CERTIFICATE)
    if ssh_keys.is_security_key(key.algorithm):
        return table.begins_with(Factor.SECURITY_KEY_VERIFIED)
    return table.begins_with(Factor.PUBLIC_KEY)


def factor_of(proof: KeyProof, key: EnrolledKey) -> Factor:
    """Return what *proof* with the enrolled *key* proves; of a token, while its certificate is in force.

    Raises KeyRefused for a security key that nobody touched: malware could have asked it.
    """
    if key.kind is KeyKind.TOKEN:
        return Factor.TOKEN_CERTIFICATE
    if not ssh_keys.is_security_key(key.algorithm):
        return Factor.PUBLIC_KEY
    if not proof.touched:
        raise KeyRefused(LoginReason.NOT_TOUCHED)
    return Factor.SECURITY_KEY_VERIFIED if proof.verified else Factor.SECURITY_KEY


def still_proves(proof: KeyProof, factor: Factor, keys: Iterable[EnrolledKey]) -> bool:
    """Tell whether *proof*, made a moment ago, still proves *factor* with one of the *keys* as they are now."""
    key = enrolled_as(proof.blob, keys)
    return key is not None and factor_of(proof, key) is factor
