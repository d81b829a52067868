"""How data keys are wrapped: two suites of HPKE (RFC 9180), named in each wrap, so that others can follow."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ReaderPublic = X25519PublicKey | ec.EllipticCurvePublicKey
ReaderPrivate = X25519PrivateKey | ec.EllipticCurvePrivateKey

X25519: Final = "HPKE-Base-X25519-HKDF-SHA256-AES-256-GCM"
P256: Final = "HPKE-Base-P256-HKDF-SHA256-AES-256-GCM"
"""For keys in a PKCS#11 token: tokens of every make agree on P-256, and few on X25519."""
SCHEMES: Final = (X25519, P256)

_X25519_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_P256_SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_POINT: Final = 65
_KEM_ID: Final = b"KEM\x00\x10"
_SUITE_ID: Final = b"HPKE\x00\x10\x00\x01\x00\x02"
_HASH: Final = 32
_NONCE: Final = 12


def usable(key: object) -> bool:
    """Whether traces can be wrapped for a key of this kind: X25519, or an elliptic curve's over P-256."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, X25519PublicKey | X25519PrivateKey)


def scheme_for(key: ReaderPublic) -> str:
    """The scheme by which data keys are wrapped for this key."""
    return X25519 if isinstance(key, X25519PublicKey) else P256


def encrypt(key: ReaderPublic, data_key: bytes, info: bytes) -> bytes:
    """The encapsulated key, then the sealed data key."""
    if isinstance(key, X25519PublicKey):
        return _X25519_SUITE.encrypt(data_key, key, info=info)
    return _P256_SUITE.encrypt(data_key, key, info=info)


def decrypt(key: ReaderPrivate, sealed: bytes, info: bytes) -> bytes:
    """The data key. Raises InvalidTag or ValueError where it was not sealed for this key and info."""
    if isinstance(key, X25519PrivateKey):
        return _X25519_SUITE.decrypt(sealed, key, info=info)
    return _P256_SUITE.decrypt(sealed, key, info=info)


def decrypt_with(exchange: Callable[[bytes], bytes], point: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open what `encrypt` made for a P-256 key that never leaves its token.

    Only the Diffie-Hellman exchange happens there; what RFC 9180 derives of it (sections 4.1 and 5.1) happens here.

    Args:
        exchange: Gives the x-coordinate of the shared point, 32 bytes, for the other side's uncompressed point.
        point: The key's own public half, uncompressed.
        sealed: The encapsulated key, then the sealed data key.
        info: As it was wrapped.

    Raises:
        InvalidTag: It was not sealed for this key and info.
        ValueError: The encapsulated key is no point of the curve.
    """
    enc, ciphertext = sealed[:_POINT], sealed[_POINT:]
    # a token may not look, and a point off the curve would tell of the key
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    shared = exchange(enc)
    secret = _expand(
        _KEM_ID, _extract(_KEM_ID, b"", b"eae_prk", shared), b"shared_secret", enc + point, _HASH
    )
    context = (
        b"\x00"  # mode_base
        + _extract(_SUITE_ID, b"", b"psk_id_hash", b"")
        + _extract(_SUITE_ID, b"", b"info_hash", info)
    )
    root = _extract(_SUITE_ID, secret, b"secret", b"")
    key = _expand(_SUITE_ID, root, b"key", context, _HASH)
    nonce = _expand(_SUITE_ID, root, b"base_nonce", context, _NONCE)
    if len(ciphertext) <= _NONCE:
        raise InvalidTag
    return AESGCM(key).decrypt(nonce, ciphertext, b"")


def _extract(suite: bytes, salt: bytes, label: bytes, keying: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + keying, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """One block of HKDF-Expand, which is all that any of these lengths needs."""
    told = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01"
    return hmac.digest(key, told, "sha256")[:length]
