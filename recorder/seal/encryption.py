"""Suites: how a record's content is sealed before it is stored (FORMAT.md, section 5)."""

from __future__ import annotations

import hashlib
import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from recorder.errors import TraceFormatError, TraceSealed

CLEAR: Final = 0
AES_256_GCM: Final = 1
KEY_BYTES: Final = 32
_NONCE = 12
_TAG = 16
_COMMITMENT = b"ecluse trace key\x00"


class Suite(Protocol):
    """One way to seal records, named by a number in the trace's header."""

    @property
    def number(self) -> int:
        """The number that headers carry."""

    @property
    def overhead(self) -> int:
        """Bytes that sealing adds to a content, always the same."""

    def seal(self, head: bytes, content: bytes) -> bytes:
        """The body to store; ``head`` is the record's head, bound to it."""

    def open(self, head: bytes, body: bytes) -> bytes:
        """The content of a stored body.

        Raises:
            TraceFormatError: It was not sealed under this head and key.
        """


class Clear:
    """Suite 0: the content as it is."""

    number = CLEAR
    overhead = 0

    def seal(self, head: bytes, content: bytes) -> bytes:
        """The content itself."""
        del head
        return content

    def open(self, head: bytes, body: bytes) -> bytes:
        """The body itself."""
        del head
        return body


class Aes256Gcm:
    """Suite 1: AES-256-GCM (NIST SP 800-38D) under the trace's own data key.

    The nonce is random and stands before the ciphertext; the record's head, which holds its number and its
    time, is authenticated with it.

    Args:
        key: 32 bytes that no other trace has.
    """

    number = AES_256_GCM
    overhead = _NONCE + _TAG

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, head: bytes, content: bytes) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, head)

    def open(self, head: bytes, body: bytes) -> bytes:
        """The content, if this key sealed it under this head."""
        try:
            return self._cipher.decrypt(body[:_NONCE], body[_NONCE:], head)
        except (InvalidTag, ValueError) as error:
            raise TraceFormatError("a record was not sealed under this trace's key") from error


class Locked:
    """Suite 1 for who has no key: it neither seals nor opens."""

    number = AES_256_GCM
    overhead = Aes256Gcm.overhead

    def seal(self, head: bytes, content: bytes) -> bytes:
        """Nothing: what has no key must not look as if it were sealed."""
        del head, content
        raise TraceSealed("this trace is sealed; without its key nothing can be added to it")

    def open(self, head: bytes, body: bytes) -> bytes:
        """Nothing."""
        del head, body
        raise TraceSealed("this trace is sealed, and no reader key at hand opens it")


def suite(number: int, key: bytes | None = None) -> Suite:
    """The suite of this number, under the trace's data key where it takes one.

    Raises:
        TraceFormatError: No such suite: nothing may be written or read under it.
    """
    if number == CLEAR:
        return Clear()
    if number == AES_256_GCM:
        return Locked() if key is None else Aes256Gcm(key)
    raise TraceFormatError(f"suite {number} is unknown; this version knows 0 and 1")


def derived(key: bytes, purpose: bytes) -> bytes:
    """A key for something else that is made of a trace (HKDF, RFC 5869): who has no data key has none of these."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def commitment(key: bytes) -> str:
    """What a header says of its data key: a digest that tells the right key from another, and nothing of it."""
    return hashlib.sha256(_COMMITMENT + key).hexdigest()
