"""X.509 certificates of tokens: read, bound to a key, and followed up to an anchor (RFC 5280)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from policy.authn import ssh_keys
from policy.authn.held_keys import KeyRefused
from policy.domain.certificates import TrustAnchor
from policy.domain.logins import LoginReason
from policy.errors import InvalidInput

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)

MINIMUM_RSA_BITS: Final = 2048
MINIMUM_CURVE_BITS: Final = 256
_DER_SEQUENCE: Final = b"\x30"
_PEM: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_PKCS7: Final = b"-----BEGIN PKCS7-----"
LONGEST_PEM: Final = 65536
MOST_CERTIFICATES: Final = 8
_SERVES_CLIENTS: Final = frozenset(
    {
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.SMARTCARD_LOGON,
    }
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate and the way up from it: ``links`` from its issuer to the anchor, which is the last one."""

    certificate: x509.Certificate
    links: tuple[x509.Certificate, ...]
    anchor: TrustAnchor

    @property
    def pairs(self) -> tuple[tuple[x509.Certificate, x509.Certificate], ...]:
        """Each certificate under the anchor with its issuer, the person's own first."""
        whole = (self.certificate, *self.links)
        return tuple(pairwise(whole))


def read_pem(pem: str, field: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of *pem*, in order; raises InvalidInput naming *field*."""
    if len(pem) > LONGEST_PEM:
        raise InvalidInput(
            field, f"takes more than {LONGEST_PEM} characters; hand over the certificate and its chain"
        )
    if "PRIVATE KEY" in pem:
        raise InvalidInput(
            field, "holds a private key, which nobody else may see: hand over the certificate alone"
        )
    try:
        found = tuple(x509.load_pem_x509_certificates(pem.encode("utf-8", "replace")))
        for certificate in found:
            certificate.public_key()
            _ = certificate.extensions
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise InvalidInput(field, "is no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None
    if not found:
        raise InvalidInput(field, "holds no certificate (-----BEGIN CERTIFICATE-----)")
    if len(found) > MOST_CERTIFICATES:
        raise InvalidInput(field, f"holds more than {MOST_CERTIFICATES} certificates; hand over one chain")
    return found


def handed_over(content: bytes, more: str = "") -> str | None:
    """Return what was handed over as PEM, the person's certificate first; None for what is no certificate at all.

    *content* is PEM, DER, or PKCS #7 (.p7b, a chain in any order) in either form; *more* PEM comes after it. Raises
    InvalidInput for one that is damaged.
    """
    start = content.lstrip()
    binary = content.startswith(_DER_SEQUENCE)
    if not binary and _PEM not in start and _PEM_PKCS7 not in start:
        return None
    try:
        if _PEM_PKCS7 in start:
            found = pkcs7.load_pem_pkcs7_certificates(content)
        elif not binary:
            return f"{content.decode('utf-8', 'replace')}\n{more}"
        else:
            found = _of_der(content)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise InvalidInput(
            "certificate",
            "is a certificate's file that is damaged, or of a form not read here: hand it over as PEM",
        ) from None
    ordered = sorted(found, key=_is_authority)
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in ordered) + more


def _of_der(content: bytes) -> list[x509.Certificate]:
    try:
        return [x509.load_der_x509_certificate(content)]
    except ValueError:
        return pkcs7.load_der_pkcs7_certificates(content)


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the hexadecimal SHA-256 of the certificate (DER)."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def key_blob(certificate: x509.Certificate) -> bytes:
    """Return the certificate's public key in SSH wire format; raises KeyRefused for one that is too weak.

    RSA of 2048 bits and more, and curves of 256 bits and more: what tokens hold and OpenSSH signs with.
    """
    key = certificate.public_key()
    sound = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= MINIMUM_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey)
        and key.key_size >= MINIMUM_CURVE_BITS
        and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
    )
    if not sound or not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeyRefused(LoginReason.CERTIFICATE_UNFIT, "weak key")
    return ssh_keys.blob_of(key)


def check_purpose(certificate: x509.Certificate) -> None:
    """Raise KeyRefused unless the certificate is a person's, for signatures, and for clients where it says for whom."""
    extensions = certificate.extensions
    constraints = _extension(extensions, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise KeyRefused(LoginReason.CERTIFICATE_UNFIT, "an authority's certificate")
    usage = _extension(extensions, x509.KeyUsage)
    if usage is None or not usage.digital_signature:
        raise KeyRefused(LoginReason.CERTIFICATE_UNFIT, "key usage without digitalSignature")
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and _SERVES_CLIENTS.isdisjoint(purposes):
        raise KeyRefused(LoginReason.CERTIFICATE_UNFIT, "extended key usage without clientAuth")


def chain_of(pem: str, anchors: Iterable[TrustAnchor], at: datetime) -> Chain:
    """Return the way from the first certificate of *pem* to one of *anchors*, as it stands at the aware instant *at*.

    Raises KeyRefused where it is not valid then, leads to no anchor, or is not fit for a log-in.
    """
    certificate, *intermediates = read_pem(pem, "certificate")
    key_blob(certificate)
    check_purpose(certificate)
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        raise KeyRefused(LoginReason.CERTIFICATE_EXPIRED)
    for anchor in anchors:
        links = _links(certificate, intermediates, anchor, at)
        if links:
            for link in links:
                key_blob(link)
            return Chain(certificate, links, anchor)
    raise KeyRefused(LoginReason.CERTIFICATE_UNTRUSTED)


def read_anchor(pem: str) -> x509.Certificate:
    """Return the one authority's certificate in *pem*; raises InvalidInput for anything else."""
    found = read_pem(pem, "certificate")
    if len(found) != 1:
        raise InvalidInput(
            "certificate", "hand over the one certificate to believe; intermediates come with people's"
        )
    constraints = _extension(found[0].extensions, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise InvalidInput(
            "certificate", "is no authority's certificate (basicConstraints CA:TRUE is missing)"
        )
    try:
        key_blob(found[0])
    except KeyRefused:
        raise InvalidInput(
            "certificate", "has a key that is too weak: RSA of 2048 bits, or a curve of 256, is the least"
        ) from None
    return found[0]


def subject_of(certificate: x509.Certificate) -> str:
    """Return the subject as RFC 4514 writes it, printable and bounded."""
    text = certificate.subject.rfc4514_string()
    return "".join(one if one.isprintable() else "?" for one in text)[:500]


def _links(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchor: TrustAnchor,
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    root = x509.load_der_x509_certificate(anchor.certificate)
    if not root.not_valid_before_utc <= at < root.not_valid_after_utc:
        return ()
    verifier = (
        PolicyBuilder()
        .store(Store([root]))
        .time(at.astimezone(UTC))
        .max_chain_depth(MOST_CERTIFICATES)
        # what a person's certificate is for is checked here by hand: the web's rules ask for names of servers
        .extension_policies(
            ee_policy=ExtensionPolicy.permit_all(), ca_policy=ExtensionPolicy.webpki_defaults_ca()
        )
        .build_client_verifier()
    )
    try:
        return tuple(verifier.verify(certificate, list(intermediates)).chain[1:])
    except (VerificationError, InvalidSignature, UnsupportedAlgorithm, ValueError):
        return ()


def _extension(extensions: x509.Extensions, kind: type[_Kind]) -> _Kind | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
