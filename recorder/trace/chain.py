"""The hash chain over the bytes as stored (FORMAT.md, section 5)."""

from __future__ import annotations

import hashlib
import hmac

DIGEST_BYTES = 32
_HEADER_DOMAIN = b"ecluse trace v1 header\x00"
_RECORD_DOMAIN = b"ecluse trace v1 record\x00"


def seed(head: bytes) -> bytes:
    """First link: the digest of the file head, from its magic to the last byte of the header."""
    return hashlib.sha256(_HEADER_DOMAIN + head).digest()


def link(previous: bytes, head: bytes, body: bytes) -> bytes:
    """The link of one record: the digest of the previous link, the record's head and stored body."""
    digest = hashlib.sha256(_RECORD_DOMAIN)
    digest.update(previous)
    digest.update(head)
    digest.update(body)
    return digest.digest()


def same(one: bytes, other: bytes) -> bool:
    """Whether two links are equal."""
    return hmac.compare_digest(one, other)
