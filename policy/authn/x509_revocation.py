"""Whether a certificate was revoked, by the lists at hand (RFC 5280 section 6.3)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from policy.domain.certificates import RevocationList
from policy.errors import InvalidInput

LARGEST_LIST: Final = 16 * 1024 * 1024
SKEW: Final = timedelta(minutes=5)
"""How far an issuer's clock may be ahead of ours."""
_KEPT_KEY: Final = frozenset(
    {
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.privilege_withdrawn,
    }
)
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


class Standing(Enum):
    """What is known of a certificate. ``REVOKED_KEY``: for a reason that spoils its key, whoever else certifies it."""

    GOOD = "good"
    REVOKED = "revoked"
    REVOKED_KEY = "revoked-key"
    UNKNOWN = "unknown"

    @property
    def revoked(self) -> bool:
        """Whether it was revoked, for whatever reason."""
        return self in {Standing.REVOKED, Standing.REVOKED_KEY}


def read_list(der_or_pem: bytes, field: str) -> x509.CertificateRevocationList:
    """Return a complete CRL with its next update; raises InvalidInput naming *field* for anything else."""
    if len(der_or_pem) > LARGEST_LIST:
        raise InvalidInput(field, f"takes more than {LARGEST_LIST} bytes")
    try:
        if der_or_pem.lstrip().startswith(b"-----BEGIN"):
            found = x509.load_pem_x509_crl(der_or_pem)
        else:
            found = x509.load_der_x509_crl(der_or_pem)
        extensions = found.extensions
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise InvalidInput(field, "is no certificate revocation list (DER or PEM)") from None
    if found.next_update_utc is None:
        raise InvalidInput(field, "does not say when the next one comes (nextUpdate)")
    if any(_partial(extension) for extension in extensions):
        raise InvalidInput(
            field, "is a part of a list (delta, or for some certificates); hand over the whole one"
        )
    return found


def issuer_of(crl: x509.CertificateRevocationList) -> str:
    """Return what lists of one issuer's key are known by: the SHA-256 of its name and its key's identifier."""
    try:
        key = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except x509.ExtensionNotFound:
        key = b""
    return hashlib.sha256(crl.issuer.public_bytes() + key).hexdigest()


def signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Tell whether *issuer* signed *crl*, and may sign lists."""
    if crl.issuer != issuer.subject:
        return False
    usage = _extension(issuer.extensions, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # checked to be RSA or EC before
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def standing_by_lists(
    certificate: x509.Certificate, issuer: x509.Certificate, lists: Iterable[RevocationList], at: datetime
) -> Standing:
    """Return what the *lists* that *issuer* signed say of *certificate* at the aware instant *at*.

    A stale list still revokes what it names, and says nothing good of what it does not.
    """
    fresh = False
    authority = issuer.public_bytes(Encoding.DER)
    for one in lists:
        crl = _believed(one.der, authority)
        if crl is None:
            continue
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        reason = None if entry is None else _extension(entry.extensions, x509.CRLReason)
        if entry is not None and (reason is None or reason.reason is not x509.ReasonFlags.remove_from_crl):
            return standing_of_reason(None if reason is None else reason.reason)
        fresh = fresh or one.this_update - SKEW <= at < one.next_update
    return Standing.GOOD if fresh else Standing.UNKNOWN


def standing_of_reason(reason: x509.ReasonFlags | None) -> Standing:
    """Return what being revoked for *reason* makes of a certificate; no reason is taken for the worst."""
    return Standing.REVOKED if reason in _KEPT_KEY else Standing.REVOKED_KEY


@lru_cache(maxsize=4)
def _believed(der: bytes, issuer: bytes) -> x509.CertificateRevocationList | None:
    """Return the list *der* if the authority whose certificate *issuer* (DER) is signed it; None otherwise.

    Kept for the next certificates of the same authority: a signature over megabytes is not checked for each of them.
    """
    try:
        crl = read_list(der, "crl")
    except InvalidInput:
        return None
    return crl if signed_by(crl, x509.load_der_x509_certificate(issuer)) else None


def _partial(extension: x509.Extension[x509.ExtensionType]) -> bool:
    """Tell whether a list with this extension may leave certificates out; what is unknown and critical may."""
    value = extension.value
    if isinstance(value, x509.IssuingDistributionPoint):
        return bool(
            value.indirect_crl
            or value.only_contains_user_certs
            or value.only_contains_ca_certs
            or value.only_contains_attribute_certs
            or value.only_some_reasons
        )
    return isinstance(value, x509.DeltaCRLIndicator) or extension.critical


def _extension(extensions: x509.Extensions, kind: type[_Kind]) -> _Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
