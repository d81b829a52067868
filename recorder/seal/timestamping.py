"""Time stamps by an authority (RFC 3161): what is asked, and whether the answer is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import Certificate, ObjectIdentifier, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from recorder.errors import StampInvalid

MAX_ANSWER = 64 << 10
"""Bytes an authority's answer may have: a token with its certificates."""

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
"""The type of a token: signedData of CMS (RFC 5652)."""
_CERTIFICATES = 0xA0


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A time-stamping authority.

    Attributes:
        name: How its stamps are called: letters, digits and dashes, for it is part of file names.
        url: Where it answers.
        roots: The CA certificates, one of which must vouch for the certificate that signs.
        policy: The policy that an answer must name, as dotted numbers; None: whichever.
    """

    name: str
    url: str
    roots: tuple[Certificate, ...]
    policy: str | None = None


def load_roots(path: Path) -> tuple[Certificate, ...]:
    """The CA certificates in a PEM file.

    Raises:
        StampInvalid: It cannot be read, or holds none.
    """
    try:
        found = tuple(load_pem_x509_certificates(path.read_bytes()))
    except OSError as error:
        raise StampInvalid(f"the authorities' CA {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StampInvalid(f"{path} holds no certificate in PEM") from error
    return found


def request(content: bytes) -> TimeStampRequest:
    """Ask for a stamp over the SHA-256 of these bytes, with a fresh nonce and the authority's certificate."""
    builder = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def check(
    answer: bytes, content: bytes, authority: Authority, *, asked: TimeStampRequest | None = None
) -> datetime:
    """The instant at which the authority says that it saw these bytes, aware UTC.

    Args:
        answer: A TimeStampResp (DER), as it came.
        content: What it must be over.
        authority: Who must have made it, under which policy.
        asked: The request, where the answer just came: its nonce must come back.

    Raises:
        StampInvalid: It is no such stamp; the message says why.
    """
    try:
        stamp = decode_timestamp_response(_in_order(answer))
        builder = VerifierBuilder(
            roots=list(authority.roots),
            policy_id=ObjectIdentifier(authority.policy) if authority.policy is not None else None,
            nonce=asked.nonce if asked is not None else None,
        )
        builder.build().verify_message(stamp, content)
        return stamp.tst_info.gen_time
    except VerificationError as error:
        raise StampInvalid(f"{authority.name}: {error}{_refusal(answer)}") from error
    except ValueError as error:
        raise StampInvalid(f"{authority.name}: the answer is no time stamp: {error}") from error


def _refusal(answer: bytes) -> str:
    """What the authority itself says where it refused."""
    said = decode_timestamp_response(_in_order(answer)).status_string
    return f" ({'; '.join(said)})" if said else ""


def _in_order(answer: bytes) -> bytes:
    """The answer with its certificates in the order that DER wants.

    Authorities send them as they have them (openssl does), and the library refuses that. No signature covers their
    order, and sorting moves bytes within their field only.
    """
    at = answer.find(_SIGNED_DATA)
    if at < 0:
        return answer
    fields = _elements(answer, *_inside(answer, _inside(answer, at + len(_SIGNED_DATA))[0]))
    place = next(((start, end) for start, end in fields if answer[start] == _CERTIFICATES), None)
    if place is None:
        return answer
    start, end = _inside(answer, place[0])
    certificates = sorted(answer[first:last] for first, last in _elements(answer, start, end))
    return answer[:start] + b"".join(certificates) + answer[end:]


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the DER element at this place begins and ends; raises ValueError."""
    if at + 2 > len(data):
        raise ValueError("it ends too early")
    length, at = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    if at + length > len(data):
        raise ValueError("it ends too early")
    return at, at + length


def _elements(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Where each DER element between two places begins and ends; raises ValueError."""
    found = []
    while start < end:
        _, after = _inside(data, start)
        found.append((start, after))
        start = after
    return found
