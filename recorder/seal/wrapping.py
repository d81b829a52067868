"""Data keys of traces, wrapped for the hospital's readers by HPKE (RFC 9180), one object a reader.

The gateway holds public keys only: what it wraps it cannot unwrap. A wrap lies beside its trace and never in
it, so that destroying all of them erases what was recorded and leaves a trace that still verifies.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from typing_extensions import override

from recorder.errors import ReaderKeyUnusable, SignatureInvalid, TraceFormatError, TraceSealed
from recorder.seal.encryption import AES_256_GCM, KEY_BYTES, commitment
from recorder.seal.files import key_id, public_pem, read_private, write_pair
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace.frames import canonical, parse_object
from recorder.trace.header import TraceHeader

SUFFIX: Final = ".wrap"
SCHEME: Final = "HPKE-Base-X25519-HKDF-SHA256-AES-256-GCM"
MAX_WRAP: Final = 8192
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_SIGNED = b"ecluse wrap v1\x00"


class ReaderPublicKey:
    """Whom traces are wrapped for.

    Attributes:
        key_id: First 16 hexadecimal digits of the SHA-256 of the raw public key.
    """

    def __init__(self, key: X25519PublicKey) -> None:
        self.key = key
        self.key_id = key_id(key)

    @classmethod
    def load(cls, path: Path) -> ReaderPublicKey:
        """The key in a PEM file (SubjectPublicKeyInfo).

        Raises:
            ReaderKeyUnusable: The file cannot be read or holds something else.
        """
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise ReaderKeyUnusable(f"{path} holds no public key in PEM that can be read") from error
        if not isinstance(key, X25519PublicKey):
            raise ReaderKeyUnusable(f"{path} holds another kind of key; readers have X25519 keys")
        return cls(key)

    def to_pem(self) -> bytes:
        """The key as PEM text, for the gateway to keep."""
        return public_pem(self.key)


class ReaderKey:
    """A reader's private key. Neither its text forms nor its pickled form show it."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self.key = key
        self.public = ReaderPublicKey(key.public_key())

    @classmethod
    def load(cls, path: Path) -> ReaderKey:
        """The key in a PEM file that nobody but its owner can read.

        Raises:
            ReaderKeyUnusable: The file is missing, open to others, or holds something else.
        """
        try:
            key = load_pem_private_key(read_private(path), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
        if not isinstance(key, X25519PrivateKey):
            raise ReaderKeyUnusable(f"{path} holds another kind of key; readers have X25519 keys")
        return cls(key)

    @override
    def __repr__(self) -> str:
        return f"ReaderKey({self.public.key_id})"

    @override
    def __reduce__(self) -> str:
        raise TypeError("a reader key is not pickled")


def generate_reader_key(path: Path) -> ReaderKey:
    """Make a key and keep it at ``path``, mode 0600; the public half goes to ``path`` + ``.pub``.

    Raises:
        ReaderKeyUnusable: A file is there already, or the place cannot be written.
    """
    key = X25519PrivateKey.generate()
    try:
        write_pair(path, key)
    except OSError as error:
        raise ReaderKeyUnusable(f"the reader key {path} cannot be made: {error.strerror}") from error
    return ReaderKey(key)


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header that names its readers, the data key of its trace, and the wraps by file name."""

    header: TraceHeader
    key: bytes
    wraps: Mapping[str, bytes]


def seal_for(header: TraceHeader, readers: Iterable[ReaderPublicKey], signer: SigningKey) -> SealedHeader:
    """Give a trace its own data key, wrapped for each reader and signed by who records."""
    key = os.urandom(KEY_BYTES)
    chosen = sorted(readers, key=lambda reader: reader.key_id)
    sealing = {"key_digest": commitment(key), "readers": [reader.key_id for reader in chosen]}
    sealed = replace(header, suite=AES_256_GCM, sealing=sealing)
    wraps = {f"{reader.key_id}{SUFFIX}": wrap(sealed, key, reader, signer) for reader in chosen}
    return SealedHeader(sealed, key, wraps)


def wrap(header: TraceHeader, key: bytes, reader: ReaderPublicKey, signer: SigningKey) -> bytes:
    """The data key of one trace for one reader, as stored."""
    content = {
        "version": 1,
        "scheme": SCHEME,
        "session_id": header.session_id,
        "hospital_id": header.hospital_id,
        "reader": reader.key_id,
        "wrapped": base64.b64encode(_SUITE.encrypt(key, reader.key, info=_info(header))).decode(),
        "signer": signer.public.key_id,
    }
    signature = base64.b64encode(signer.sign(_SIGNED + canonical(content))).decode()
    return canonical({**content, "signature": signature})


def check_wrap(data: bytes, header: TraceHeader, public_key: PublicKey) -> str:
    """The reader that a wrap is for, when this key signed it for this trace.

    Raises:
        TraceFormatError: It is no wrap of this trace.
        SignatureInvalid: Another key signed it, or nobody.
    """
    content = parse_object(data, "wrap")
    try:
        signature = base64.b64decode(str(content.pop("signature", "")), validate=True)
    except binascii.Error as error:
        raise TraceFormatError("a wrap's signature is not base64") from error
    try:
        public_key.verify(signature, _SIGNED + canonical(content))
    except SignatureInvalid as error:
        raise SignatureInvalid("a wrap beside the trace was not made by who recorded it") from error
    told = (
        content.get("version"),
        content.get("scheme"),
        content.get("session_id"),
        content.get("hospital_id"),
    )
    if told != (1, SCHEME, header.session_id, header.hospital_id):
        raise TraceFormatError("a wrap beside the trace belongs to another one")
    return str(content.get("reader"))


def data_key(directory: Path, header: TraceHeader, readers: Iterable[ReaderKey]) -> bytes:
    """The data key of a sealed trace, from the first wrap that one of the readers' keys opens.

    Raises:
        TraceSealed: No wrap beside the trace is for any of them, or its wraps were destroyed.
        TraceFormatError: A wrap holds another key than the header committed to.
    """
    sealing = header.sealing or {}
    for reader in readers:
        path = directory / f"{reader.public.key_id}{SUFFIX}"
        if not path.exists():
            continue
        key = _unwrap(path, header, reader)
        if commitment(key) != sealing.get("key_digest"):
            raise TraceFormatError(f"{path.name} holds another key than the one this trace was sealed with")
        return key
    if not any(directory.glob(f"*{SUFFIX}")):
        raise TraceSealed("this trace can be read no more: every wrap of its key was destroyed")
    names = ", ".join(map(str, sealing.get("readers", [])))
    raise TraceSealed(f"this trace is sealed for the reader keys {names}; none of them is at hand")


def _unwrap(path: Path, header: TraceHeader, reader: ReaderKey) -> bytes:
    with path.open("rb") as file:
        content = parse_object(file.read(MAX_WRAP), "wrap")
    try:
        sealed = base64.b64decode(str(content.get("wrapped", "")), validate=True)
        return _SUITE.decrypt(sealed, reader.key, info=_info(header))
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise TraceFormatError(f"{path.name} does not open with the key it is for") from error


def _info(header: TraceHeader) -> bytes:
    return canonical(
        {"purpose": "ecluse trace key", "hospital": header.hospital_id, "session": header.session_id}
    )
