"""The archive: one file, sealed for who may restore it and signed by who made it.

``ecluse backup 1``, a newline; four bytes of length and a JSON header; chunks, each four bytes of length and AES-256-GCM
(`recorder.seal.encryption`) under a key of the archive's own, bound to the header, to its number and to whether it is the
last; 64 bytes of Ed25519 over all that. The key is wrapped for each recipient by HPKE (`recorder.seal.schemes`), as the
keys of traces are: who makes a backup cannot read one.
"""

import base64
import hashlib
import io
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from typing_extensions import Buffer, override

from ecluse.errors import BackupError
from recorder.errors import ReaderKeyLocked, SignatureInvalid, TraceFormatError
from recorder.seal import schemes
from recorder.seal.encryption import KEY_BYTES, Aes256Gcm
from recorder.seal.signing import PublicKey, SigningKey
from recorder.seal.wrapping import ReaderKey, ReaderPublicKey
from recorder.trace.frames import canonical, parse_object

MAGIC: Final = b"ecluse backup 1\n"
CHUNK: Final = 1 << 20
SIGNATURE: Final = 64
_SIGNED: Final = b"ecluse backup v1\x00"
_LENGTH: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct(">Q?")
_LARGEST_HEADER: Final = 1 << 20
_PIECE: Final = 1 << 20


class ArchiveWriter(io.RawIOBase):
    """Seals what is written to it into *file*; ``close`` ends it, and nothing is an archive before."""

    def __init__(
        self,
        file: BinaryIO,
        about: Mapping[str, Any],
        recipients: Sequence[ReaderPublicKey],
        signer: SigningKey,
    ) -> None:
        """Begin with the facts *about* it, which stand in the clear; *recipients* will open it, *signer* signs it."""
        self._file = file
        self._signer = signer
        self._digest = hashlib.sha256()
        self._waiting = bytearray()
        self._number = 0
        self.name = os.urandom(16).hex()
        key = os.urandom(KEY_BYTES)
        self._suite = Aes256Gcm(key)
        wrapped = [
            {
                "key": one.key_id,
                "scheme": schemes.scheme_for(one.key),
                "wrapped": base64.b64encode(schemes.encrypt(one.key, key, _info(self.name))).decode(),
            }
            for one in recipients
        ]
        facts = {**about, "version": 1, "archive": self.name, "signer": signer.public.key_id}
        header = canonical({**facts, "recipients": wrapped})
        self._bound = hashlib.sha256(header).digest()
        self._put(MAGIC + _LENGTH.pack(len(header)) + header)

    @override
    def writable(self) -> bool:
        """It is."""
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        """Seal *data*, as soon as there is a chunk of it."""
        piece = bytes(data)
        self._waiting += piece
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(piece)

    def finish(self) -> None:
        """Seal what is left, and sign."""
        self._seal(bytes(self._waiting), last=True)
        self._file.write(self._signer.sign(_SIGNED + self._digest.digest()))

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        body = self._suite.seal(self._bound + _HEAD.pack(self._number, last), chunk)
        self._number += 1
        self._put(_LENGTH.pack(len(body)) + body)

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


@dataclass(frozen=True, slots=True)
class Verified:
    """An archive whose signature holds: its header, where its chunks begin, and its size."""

    header: Mapping[str, Any]
    bound: bytes
    begins: int
    ends: int


def verify(file: BinaryIO, signer: PublicKey) -> Verified:
    """Return what *file* says of itself, once the signature over all of it holds. Raises BackupError."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(len(MAGIC) + _LENGTH.size)
    length = _LENGTH.unpack(start[len(MAGIC) :])[0] if len(start) == len(MAGIC) + _LENGTH.size else 0
    if not start.startswith(MAGIC) or not 0 < length <= _LARGEST_HEADER:
        raise BackupError("backup.no_archive")
    raw = file.read(length)
    digest = hashlib.sha256(start + raw)
    left = size - SIGNATURE - len(start) - length
    while left > 0:
        piece = file.read(min(_PIECE, left))
        if not piece:
            break
        digest.update(piece)
        left -= len(piece)
    try:
        signer.verify(file.read(SIGNATURE), _SIGNED + digest.digest())
        header = parse_object(raw, "backup header")
    except (SignatureInvalid, TraceFormatError) as error:
        raise BackupError("backup.tampered", signer=signer.key_id) from error
    if header.get("version") != 1:
        raise BackupError("backup.newer")
    return Verified(header, hashlib.sha256(raw).digest(), len(start) + length, size - SIGNATURE)


class ArchiveReader(io.RawIOBase):
    """Gives what was written, of an archive that was verified: a byte changed since is an error."""

    def __init__(self, file: BinaryIO, verified: Verified, key: ReaderKey) -> None:
        """Open it by *key*. Raises BackupError where it was not sealed for it."""
        self._file = file
        self._left = self._size = verified.ends - verified.begins
        self._bound = verified.bound
        self._suite = Aes256Gcm(_unwrapped(verified.header, key))
        self._number = 0
        self._last = False
        self._open = b""
        file.seek(verified.begins)

    @property
    def position(self) -> int:
        """How many bytes of the archive's chunks were read."""
        return self._size - self._left

    @override
    def readable(self) -> bool:
        """It is."""
        return True

    @override
    def readinto(self, buffer: Buffer, /) -> int:
        """Read some bytes; none at the end. Raises BackupError."""
        while not self._open and not self._last:
            self._open = self._next()
        view = memoryview(buffer)
        given = min(len(view), len(self._open))
        view[:given] = self._open[:given]
        self._open = self._open[given:]
        return given

    def _next(self) -> bytes:
        start = self._file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        self._left -= _LENGTH.size + length
        if not 0 < length <= CHUNK + Aes256Gcm.overhead or self._left < 0:
            raise BackupError("backup.damaged", chunk=self._number)
        self._last = self._left == 0
        try:
            found = self._suite.open(
                self._bound + _HEAD.pack(self._number, self._last), self._file.read(length)
            )
        except TraceFormatError as error:
            raise BackupError("backup.damaged", chunk=self._number) from error
        self._number += 1
        return found


def _unwrapped(header: Mapping[str, Any], key: ReaderKey) -> bytes:
    for one in header.get("recipients", ()):
        if one.get("key") != key.public.key_id:
            continue
        try:
            return key.unwrap(base64.b64decode(one["wrapped"]), _info(str(header["archive"])))
        except (InvalidTag, ValueError, ReaderKeyLocked) as error:
            raise BackupError("backup.other_key", sealing_key=key.public.key_id) from error
    raise BackupError("backup.other_key", sealing_key=key.public.key_id)


def _info(name: str) -> bytes:
    return canonical({"purpose": "ecluse backup key", "archive": name})


def read_signer(path: Path) -> PublicKey:
    """Return the public key in *path*. Raises BackupError."""
    try:
        return PublicKey.load(path)
    except SignatureInvalid as error:
        raise BackupError("backup.no_signer", path=str(path), why=str(error)) from error
