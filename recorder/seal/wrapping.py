"""Data keys of traces, wrapped for the hospital's readers by HPKE (RFC 9180), one object a reader.

The gateway holds public keys only: what it wraps it cannot unwrap. A wrap lies beside its trace and never in
it, so that destroying all of them erases what was recorded and leaves a trace that still verifies.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from typing_extensions import override

from recorder.errors import (
    ReaderKeyLocked,
    ReaderKeyRefused,
    ReaderKeyUnusable,
    SignatureInvalid,
    TraceFormatError,
    TraceSealed,
)
from recorder.regular import regular
from recorder.seal import schemes
from recorder.seal.encryption import AES_256_GCM, KEY_BYTES, commitment
from recorder.seal.files import key_id, public_pem, read_private, write_pair
from recorder.seal.passphrase import encrypted_pem
from recorder.seal.schemes import ReaderPrivate, ReaderPublic
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object
from recorder.trace.header import TraceHeader
from recorder.trace.place import check_file_name

SUFFIX: Final = ".wrap"
MAX_WRAP: Final = 8192
_SIGNED = b"ecluse wrap v1\x00"
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class ReaderPublicKey:
    """Whom traces are wrapped for.

    Attributes:
        key: X25519, or P-256.
        key_id: First 16 hexadecimal digits of the SHA-256 of the raw public key.
    """

    def __init__(self, key: ReaderPublic) -> None:
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
        except OSError as error:
            raise ReaderKeyUnusable(
                f"{path} cannot be read by the user of this process: {error.strerror}"
            ) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ReaderKeyUnusable(f"{path} holds no public key in PEM") from error
        if not schemes.usable(key):
            raise ReaderKeyUnusable(f"{path} holds another kind of key; readers have X25519 or P-256 keys")
        return cls(key)  # type: ignore[arg-type]  # usable() has looked

    def to_pem(self) -> bytes:
        """The key as PEM text, for the gateway to keep."""
        return public_pem(self.key)


class ReaderKey:
    """A reader's private key. Neither its text forms nor its pickled form show it."""

    def __init__(self, key: ReaderPrivate) -> None:
        self._key = key
        self.public = ReaderPublicKey(key.public_key())

    @classmethod
    def load(cls, path: Path, passphrase: str | None = None) -> ReaderKey:
        """The key in a PEM file that nobody but its owner can read. Blocks for some tenths of a second with a passphrase.

        Raises:
            ReaderKeyUnusable: The file is missing, open to others, or holds something else, or is encrypted and
                there is no passphrase.
            ReaderKeyRefused: The passphrase is not the one, or what it encrypts was damaged: nobody can tell which.
        """
        secret = None if passphrase is None else passphrase.encode()
        pem = b""
        try:
            pem = read_private(path)
            key = load_pem_private_key(pem, secret)
        except (OSError, TypeError, UnsupportedAlgorithm) as error:
            raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
        except ValueError as error:
            # one wrong passphrase in some hundreds leaves bytes that pass for padding, and no key in them
            if secret is not None and _ENCRYPTED in pem:
                raise ReaderKeyRefused("this passphrase does not open the key") from error
            raise ReaderKeyUnusable(f"the reader key {path} cannot be used: {error}") from error
        if not schemes.usable(key):
            raise ReaderKeyUnusable(f"{path} holds another kind of key; readers have X25519 or P-256 keys")
        return cls(key)  # type: ignore[arg-type]  # usable() has looked

    def unwrap(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed for this key.

        Raises:
            InvalidTag: It was not, or not under this info.
            ValueError: It cannot be read.
            ReaderKeyLocked: The key must be unlocked first.
        """
        return schemes.decrypt(self._key, sealed, info)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public.key_id})"

    @override
    def __reduce__(self) -> str:
        raise TypeError("a reader key is not pickled")


class LockedKey(ReaderKey):
    """Stands for a key that is there and locked: who needs it is told its name.

    Args:
        name: As people call the key.
        public: Its public half.
    """

    def __init__(self, name: str, public: ReaderPublicKey) -> None:
        self.name = name
        self.public = public

    @override
    def unwrap(self, sealed: bytes, info: bytes) -> bytes:
        """Nothing."""
        raise ReaderKeyLocked([self.name])


def generate_reader_key(path: Path, passphrase: str | None = None) -> ReaderKey:
    """Make a key and keep it at ``path``, mode 0600; the public half goes to ``path`` + ``.pub``.

    Args:
        path: Where.
        passphrase: What its file is encrypted by; None leaves it in the clear.

    Raises:
        ReaderKeyUnusable: A file is there already, or the place cannot be written.
    """
    key = X25519PrivateKey.generate()
    try:
        write_pair(path, key, None if passphrase is None else encrypted_pem(key, passphrase))
    except OSError as error:
        raise ReaderKeyUnusable(f"the reader key {path} cannot be made: {error}") from error
    return ReaderKey(key)


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header that names its readers, the data key of its trace, and the wraps by file name."""

    header: TraceHeader
    key: bytes
    wraps: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class CheckedWrap:
    """A wrap that was signed for its trace.

    Attributes:
        reader: Identifier of the reader's key.
        retired: Whether it is only a note that this reader's wrap was taken away.
    """

    reader: str
    retired: bool


def seal_for(header: TraceHeader, readers: Iterable[ReaderPublicKey], signer: SigningKey) -> SealedHeader:
    """Give a trace its own data key, wrapped for each reader and signed by who records."""
    key = os.urandom(KEY_BYTES)
    chosen = sorted(readers, key=lambda reader: reader.key_id)
    sealing = {"key_digest": commitment(key), "readers": [reader.key_id for reader in chosen]}
    sealed = replace(header, suite=AES_256_GCM, sealing=sealing)
    wraps = {wrap_name(reader): wrap(sealed, key, reader, signer) for reader in chosen}
    return SealedHeader(sealed, key, wraps)


def wrap_name(reader: ReaderPublicKey) -> str:
    """The file name of that reader's wrap."""
    return f"{reader.key_id}{SUFFIX}"


def check_wrap_name(name: str) -> None:
    """Refuse what is no wrap's file name. Raises TraceFormatError."""
    check_file_name(name)
    if not name.endswith(SUFFIX):
        raise TraceFormatError(f"{name} is no wrap")


def wrap(
    header: TraceHeader,
    key: bytes,
    reader: ReaderPublicKey,
    signer: SigningKey,
    *,
    made_at: datetime | None = None,
) -> bytes:
    """The data key of one trace for one reader, as stored; ``made_at`` where the console makes it later."""
    content = {
        "version": 1,
        "scheme": schemes.scheme_for(reader.key),
        "session_id": header.session_id,
        "hospital_id": header.hospital_id,
        "reader": reader.key_id,
        "wrapped": base64.b64encode(schemes.encrypt(reader.key, key, _info(header))).decode(),
        "signer": signer.public.key_id,
    }
    if made_at is not None:
        content["made_at"] = instants.text(made_at)
    return _signed(content, signer)


def retirement(header: TraceHeader, reader: str, signer: SigningKey, at: datetime) -> bytes:
    """What stands in the place of a wrap that was taken away because its reader was retired."""
    content = {
        "version": 1,
        "session_id": header.session_id,
        "hospital_id": header.hospital_id,
        "reader": reader,
        "retired_at": instants.text(at),
        "signer": signer.public.key_id,
    }
    return _signed(content, signer)


def is_retirement(data: bytes) -> bool:
    """Whether a stored wrap is only the note of a retirement. Raises TraceFormatError."""
    return "wrapped" not in parse_object(data, "wrap")


def check_wrap(
    data: bytes, header: TraceHeader, recorder: PublicKey, consoles: Sequence[PublicKey] = ()
) -> CheckedWrap:
    """The reader that a wrap is for, when it was signed for this trace by who may.

    Args:
        data: The wrap, as stored.
        header: The trace's.
        recorder: The key that signed the manifest: it made the wraps for the readers that the header names.
        consoles: Keys that sign checkpoints: they may have made wraps later, and taken some away.

    Raises:
        TraceFormatError: It is no wrap of this trace.
        SignatureInvalid: Another key signed it, or nobody.
    """
    content = parse_object(data, "wrap")
    try:
        signature = base64.b64decode(str(content.pop("signature", "")), validate=True)
    except ValueError as error:  # text beyond ASCII too
        raise TraceFormatError("a wrap's signature is not base64") from error
    by_console = {key.key_id: key for key in consoles}.get(str(content.get("signer")))
    try:
        (by_console or recorder).verify(signature, _SIGNED + canonical(content))
    except SignatureInvalid as error:
        raise SignatureInvalid("a wrap beside the trace was not made by who may make one") from error
    if (content.get("version"), content.get("session_id"), content.get("hospital_id")) != (
        1,
        header.session_id,
        header.hospital_id,
    ):
        raise TraceFormatError("a wrap beside the trace belongs to another one")
    reader, retired = str(content.get("reader")), "wrapped" not in content
    if not retired and content.get("scheme") not in schemes.SCHEMES:
        raise TraceFormatError("a wrap beside the trace is of a scheme that is not known")
    if by_console is None and (retired or reader not in (header.sealing or {}).get("readers", [])):
        raise SignatureInvalid("a wrap beside the trace is what only the console may make")
    return CheckedWrap(reader, retired)


def data_key(directory: Path, header: TraceHeader, readers: Iterable[ReaderKey]) -> bytes:
    """The data key of a sealed trace, from the first wrap that one of the readers' keys opens.

    Raises:
        ReaderKeyLocked: One of these keys would open it, and is locked.
        TraceSealed: No wrap beside the trace is for any of them, or its wraps were destroyed.
        TraceFormatError: A wrap holds another key than the header committed to.
    """
    return open_wraps(read_wraps(directory), header, readers)


def read_wraps(directory: Path) -> dict[str, bytes]:
    """Every wrap beside a trace, by file name. Raises TraceFormatError where one is no file."""
    found = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            with regular(path) as file:
                found[path.name] = file.read(MAX_WRAP)
        except OSError as error:
            raise TraceFormatError(f"{path.name} cannot be read: {error.strerror}") from error
    return found


def open_wraps(wraps: Mapping[str, bytes], header: TraceHeader, readers: Iterable[ReaderKey]) -> bytes:
    """As `data_key`, of wraps at hand."""
    locked: list[str] = []
    for reader in readers:
        stored = wraps.get(wrap_name(reader.public))
        if stored is None or is_retirement(stored):
            continue
        try:
            key = _unwrap(stored, header, reader)
        except ReaderKeyLocked as error:
            locked += error.names
            continue
        if commitment(key) != (header.sealing or {}).get("key_digest"):
            name = wrap_name(reader.public)
            raise TraceFormatError(f"{name} holds another key than the one this trace was sealed with")
        return key
    if locked:
        raise ReaderKeyLocked(locked)
    if not wraps:
        raise TraceSealed("this trace can be read no more: every wrap of its key was destroyed")
    names = ", ".join(name.removesuffix(SUFFIX) for name, data in wraps.items() if not is_retirement(data))
    raise TraceSealed(f"this trace is sealed for the reader keys {names}; none of them is at hand")


def _unwrap(stored: bytes, header: TraceHeader, reader: ReaderKey) -> bytes:
    content = parse_object(stored, "wrap")
    try:
        sealed = base64.b64decode(str(content.get("wrapped", "")), validate=True)
        return reader.unwrap(sealed, _info(header))
    except (binascii.Error, InvalidTag, ValueError) as error:
        name = wrap_name(reader.public)
        raise TraceFormatError(f"{name} does not open with the key it is for") from error


def _signed(content: dict[str, Any], signer: SigningKey) -> bytes:
    signature = base64.b64encode(signer.sign(_SIGNED + canonical(content))).decode()
    return canonical({**content, "signature": signature})


def _info(header: TraceHeader) -> bytes:
    return canonical(
        {"purpose": "ecluse trace key", "hospital": header.hospital_id, "session": header.session_id}
    )
