"""Keys: how they are called, and their files, read only where nobody else can and never written over."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_Public = Ed25519PublicKey | X25519PublicKey | EllipticCurvePublicKey
_Private = Ed25519PrivateKey | X25519PrivateKey | EllipticCurvePrivateKey


def raw(key: _Public) -> bytes:
    """The public key's 32 bytes; of an elliptic curve's its point, uncompressed (SEC 1, 2.3.3)."""
    if isinstance(key, EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(key: _Public) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return fingerprint(key)[:16]


def fingerprint(key: _Public) -> str:
    """SHA-256 of the raw public key, in hexadecimal."""
    return hashlib.sha256(raw(key)).hexdigest()


def public_pem(key: _Public) -> bytes:
    """The key as PEM text (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_pair(path: Path, key: _Private, encrypted: bytes | None = None) -> None:
    """Keep a key at ``path``, mode 0600, and its public half at ``path`` + ``.pub``.

    Args:
        path: Where.
        key: The key.
        encrypted: Its private half as PEM text, encrypted; None writes it in the clear.

    Raises:
        OSError: A file is there already, or the place cannot be written.
    """
    clear = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_new(path, encrypted or clear, 0o600)
    write_new(path.with_name(path.name + ".pub"), public_pem(key.public_key()), 0o644)


def read_private(path: Path) -> bytes:
    """The content of a file that nobody but its owner can read.

    Raises:
        OSError: It cannot be read.
        ValueError: It is open to others; the message says what to run.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ValueError(f"{path} is open to others (mode {mode:04o}); run: chmod 600 {path}")
        return file.read()


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Make a file that was not there, forced to the platter.

    Raises:
        OSError: One is there already, or the place cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
