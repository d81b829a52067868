"""OCSP on bytes (RFC 6960): the question about one certificate, and what an answer is worth."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from policy.authn.x509_revocation import SKEW, Standing, standing_of_reason

LARGEST_ANSWER: Final = 65536
LONGEST_LIFE: Final = timedelta(hours=1)
"""How long an answer counts that does not say until when it does."""
_NONCE_BYTES: Final = 16
_BROKEN: Final = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA1,
        SignatureAlgorithmOID.ECDSA_WITH_SHA1,
        SignatureAlgorithmOID.RSA_WITH_MD5,
    }
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent to a responder about *certificate*, and what its answer is held against."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    der: bytes
    nonce: bytes


def question(certificate: x509.Certificate, issuer: x509.Certificate) -> Question:
    """Return the request about *certificate*, whose issuer is *issuer*, with a fresh nonce."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    builder = ocsp.OCSPRequestBuilder()
    # SHA-1 here names the issuer, as RFC 5019 section 2.1.1 wants it; nothing is signed with it
    builder = builder.add_certificate(certificate, issuer, SHA1())  # noqa: S303 - said above
    request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
    return Question(certificate, issuer, request.public_bytes(Encoding.DER), nonce)


def standing(asked: Question, answer: bytes, at: datetime) -> Standing:
    """Return what *answer* says at the aware instant *at*; UNKNOWN for whatever cannot be believed.

    It must be signed by the issuer or by whom the issuer named for it, be about this certificate, be of now, and
    hold our nonce if it holds one: a responder that prepares its answers leaves it out (RFC 5019).
    """
    try:
        response = ocsp.load_der_ocsp_response(answer[: LARGEST_ANSWER + 1])
        if len(answer) > LARGEST_ANSWER or response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Standing.UNKNOWN
        if not _ours(asked, response) or not _of_now(response, at) or not _signed(asked, response, at):
            return Standing.UNKNOWN
        if response.certificate_status is ocsp.OCSPCertStatus.GOOD:
            return Standing.GOOD
        if response.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            return standing_of_reason(response.revocation_reason)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.DuplicateExtension):
        return Standing.UNKNOWN
    return Standing.UNKNOWN


def _ours(asked: Question, response: ocsp.OCSPResponse) -> bool:
    request = ocsp.load_der_ocsp_request(asked.der)
    same = (
        response.serial_number == request.serial_number
        and response.issuer_key_hash == request.issuer_key_hash
        and response.issuer_name_hash == request.issuer_name_hash
    )
    try:
        nonce = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return same
    return same and secrets.compare_digest(nonce, asked.nonce)


def _of_now(response: ocsp.OCSPResponse, at: datetime) -> bool:
    begins = response.this_update_utc
    ends = response.next_update_utc or begins + LONGEST_LIFE
    return begins - SKEW <= at < ends


def _signed(asked: Question, response: ocsp.OCSPResponse, at: datetime) -> bool:
    for signer in (asked.issuer, *response.certificates):
        if signer is not asked.issuer and not _named_by(asked.issuer, signer, at):
            continue
        if _verifies(response, signer):
            return True
    return False


def _named_by(issuer: x509.Certificate, signer: x509.Certificate, at: datetime) -> bool:
    """Tell whether *issuer* itself named *signer* to answer for it (RFC 6960 section 4.2.2.2)."""
    try:
        signer.verify_directly_issued_by(issuer)
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    in_time = signer.not_valid_before_utc <= at < signer.not_valid_after_utc
    return in_time and ExtendedKeyUsageOID.OCSP_SIGNING in purposes


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    algorithm: HashAlgorithm | None = response.signature_hash_algorithm
    key = signer.public_key()
    if algorithm is None or response.signature_algorithm_oid in _BROKEN:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
