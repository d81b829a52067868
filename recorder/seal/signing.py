"""Ed25519 keys that sign manifests (RFC 8032)."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from typing_extensions import override

from recorder.errors import SignatureInvalid
from recorder.seal.files import fingerprint, key_id, public_pem, read_private, write_pair


class PublicKey:
    """What a verifier needs.

    Attributes:
        key_id: First 16 hexadecimal digits of the SHA-256 of the raw public key.
        fingerprint: All 64 of them, for two persons to compare.
    """

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.key_id = key_id(key)
        self.fingerprint = fingerprint(key)

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """The key in a PEM file.

        Raises:
            SignatureInvalid: The file cannot be read or holds something else.
        """
        try:
            return cls.from_pem(path.read_bytes())
        except OSError as error:
            raise SignatureInvalid(f"the public key {path} cannot be read: {error.strerror}") from error

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """The key in PEM text (SubjectPublicKeyInfo).

        Raises:
            SignatureInvalid: It holds something else than an Ed25519 public key.
        """
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SignatureInvalid("this is no public key in PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SignatureInvalid("manifests are signed with Ed25519; this is another kind of key")
        return cls(key)

    def to_pem(self) -> bytes:
        """The key as PEM text, for the verifier to keep."""
        return public_pem(self._key)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a signature.

        Raises:
            SignatureInvalid: This key did not sign these bytes.
        """
        try:
            self._key.verify(signature, data)
        except InvalidSignature as error:
            raise SignatureInvalid(f"key {self.key_id} did not sign this manifest") from error


class SigningKey:
    """The gateway's key. Neither its text forms nor its pickled form show it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in a PEM file that nobody but its owner can read.

        Raises:
            SignatureInvalid: The file is missing, open to others, or holds something else.
        """
        try:
            pem = read_private(path)
        except ValueError as error:
            raise SignatureInvalid(str(error)) from error
        except OSError as error:
            raise SignatureInvalid(f"the signing key {path} cannot be read: {error.strerror}") from error
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SignatureInvalid(f"{path} holds no unencrypted private key in PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SignatureInvalid(f"{path} holds another kind of key; manifests are signed with Ed25519")
        return cls(key)

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature of these bytes, 64 bytes long."""
        return self._key.sign(data)

    @override
    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id})"

    @override
    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled")


def generate_key(path: Path) -> SigningKey:
    """Make a key and keep it at ``path``, mode 0600; the public half goes to ``path`` + ``.pub``.

    Raises:
        SignatureInvalid: A file is there already, or the place cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    try:
        write_pair(path, key)
    except OSError as error:
        raise SignatureInvalid(f"the signing key {path} cannot be made: {error.strerror}") from error
    return SigningKey(key)
