"""The sealed form of a secret: ``ecv1:<key id>:<base64url of nonce and ciphertext>``.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The additional data is everything of the
envelope that is not encrypted, and the context: the same bytes under another version, key id or
context do not open. Random nonces are safe for 2**32 seals a key, far beyond what a hospital stores.
"""

import base64
import binascii
import os
import re
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from policy.errors import VaultError
from policy.vault.secret import Secret

VERSION: Final = "ecv1"
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_FORM: Final = re.compile(r"ecv1:(?P<key_id>k[1-9][0-9]{0,8}-[0-9a-f]{8}):(?P<body>[A-Za-z0-9_=-]+)")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed secret, taken apart but not opened."""

    key_id: str
    body: bytes

    @classmethod
    def parse(cls, sealed: str) -> Self:
        """Take *sealed* apart; raises VaultError for plain text, another version or a damaged form."""
        form = _FORM.fullmatch(sealed)
        if form is None:
            raise VaultError("not a sealed envelope of a known version")
        try:
            body = base64.b64decode(form["body"], altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise VaultError("a sealed envelope is damaged") from None
        if len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultError("a sealed envelope is cut short")
        parsed = cls(form["key_id"], body)
        if str(parsed) != sealed:  # base64 has spare bits; a stored form has one spelling
            raise VaultError("a sealed envelope is damaged")
        return parsed

    @override
    def __str__(self) -> str:
        """Return the stored form."""
        return f"{prefix(self.key_id)}{base64.urlsafe_b64encode(self.body).decode('ascii')}"


def prefix(key_id: str) -> str:
    """Return how every envelope sealed under *key_id* starts."""
    return f"{VERSION}:{key_id}:"


def seal(key: bytes, key_id: str, plain: Secret, context: str) -> Envelope:
    """Seal *plain* for *context* under *key* (32 bytes), known as *key_id*."""
    nonce = os.urandom(_NONCE_BYTES)
    octets = plain.reveal().encode("utf-8", "surrogatepass")
    return Envelope(key_id, nonce + AESGCM(key).encrypt(nonce, octets, _bound(key_id, context)))


def unseal(key: bytes, envelope: Envelope, context: str) -> Secret:
    """Open *envelope* with *key*; raises VaultError unless key, key id, context and every bit are right."""
    nonce, ciphertext = envelope.body[:_NONCE_BYTES], envelope.body[_NONCE_BYTES:]
    try:
        octets = AESGCM(key).decrypt(nonce, ciphertext, _bound(envelope.key_id, context))
    except InvalidTag:
        raise VaultError("a sealed envelope does not open: altered, or sealed for something else") from None
    return Secret(octets.decode("utf-8", "surrogatepass"))


def _bound(key_id: str, context: str) -> bytes:
    return f"{prefix(key_id)}{context}".encode()
