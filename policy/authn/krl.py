"""OpenSSH's key revocation lists (PROTOCOL.krl), as ``ssh-keygen -k`` writes them.

No library at hand reads them, and hospitals have them: a list of our own beside would have to be kept in step by
hand. The reader is bounded by the file's size, believes nothing, and refuses what it does not know.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from policy.authn.ssh_wire import WireReader
from policy.errors import InvalidInput

LARGEST: Final = 4 * 1024 * 1024
_MAGIC: Final = b"SSHKRL\n\0"
_VERSION: Final = 1
_CERTIFICATES, _KEYS, _SHA1, _SIGNATURE, _SHA256 = 1, 2, 3, 4, 5
_SERIALS, _RANGE, _BITMAP, _IDS = 0x20, 0x21, 0x22, 0x23


@dataclass(slots=True)
class _Certificates:
    """What is revoked of one authority (an empty ``authority``: of any)."""

    authority: bytes
    ranges: list[tuple[int, int]] = field(default_factory=list)
    bitmaps: list[tuple[int, int]] = field(default_factory=list)
    key_ids: set[bytes] = field(default_factory=set)

    def names(self, serial: int, key_id: bytes) -> bool:
        if key_id in self.key_ids:
            return True
        if serial == 0:
            return False  # OpenSSH numbers from 1: 0 is a certificate without a number
        return any(first <= serial <= last for first, last in self.ranges) or any(
            serial >= offset and bits >> (serial - offset) & 1 for offset, bits in self.bitmaps
        )


class KeyRevocationList:
    """What a list revokes: keys, and certificates by number or by name."""

    def __init__(self, content: bytes) -> None:
        """Read the list; raises InvalidInput on the field ``krl`` for anything but a whole one."""
        self.version = 0
        self._keys: set[bytes] = set()
        self._sha1: set[bytes] = set()
        self._sha256: set[bytes] = set()
        self._certificates: list[_Certificates] = []
        if len(content) > LARGEST:
            raise InvalidInput("krl", f"takes more than {LARGEST} bytes")
        try:
            self._read(WireReader(content))
        except ValueError as error:
            raise InvalidInput(
                "krl", f"is no key revocation list of OpenSSH ({error}); make one with ssh-keygen -k"
            ) from None

    def revokes_key(self, blob: bytes) -> bool:
        """Tell whether the plain key *blob* is named, whole or by its digest."""
        return (
            blob in self._keys
            or hashlib.sha256(blob).digest() in self._sha256
            or hashlib.sha1(blob, usedforsecurity=False).digest() in self._sha1
        )

    def revokes_certificate(self, authority: bytes, serial: int, key_id: bytes) -> bool:
        """Tell whether *authority*'s certificate of that number and name is revoked."""
        return any(
            one.names(serial, key_id) for one in self._certificates if one.authority in {b"", authority}
        )

    def _read(self, reader: WireReader) -> None:
        if reader.take(len(_MAGIC)) != _MAGIC or reader.uint32() != _VERSION:
            raise ValueError("its beginning is of something else")
        self.version = reader.uint64()
        reader.take(16)  # when it was made, and flags that have no meaning yet
        reader.string()
        reader.string()
        signed = False
        while reader.left:
            kind = reader.byte()
            body = WireReader(reader.string())
            if signed and kind != _SIGNATURE:
                raise ValueError("a section follows the signatures")
            if kind == _SIGNATURE:
                signed = True
                reader.string()
            elif kind == _CERTIFICATES:
                self._certificates.append(_certificates(body))
            else:
                self._take_keys(kind, body)

    def _take_keys(self, kind: int, body: WireReader) -> None:
        found = {_KEYS: self._keys, _SHA1: self._sha1, _SHA256: self._sha256}.get(kind)
        length = {_SHA1: 20, _SHA256: 32}.get(kind)
        if found is None:
            raise ValueError(f"it has a section of kind {kind}, which is unknown")
        while body.left:
            entry = body.string()
            if length is not None and len(entry) != length:
                raise ValueError("a digest has another length")
            found.add(entry)


def _certificates(body: WireReader) -> _Certificates:
    found = _Certificates(body.string())
    body.string()
    while body.left:
        kind = body.byte()
        section = WireReader(body.string())
        if kind == _RANGE:
            found.ranges.append((section.uint64(), section.uint64()))
        elif kind == _BITMAP:
            offset = section.uint64()
            found.bitmaps.append((offset, int.from_bytes(section.string(), "big")))
        elif kind in {_SERIALS, _IDS}:
            while section.left:
                if kind == _SERIALS:
                    serial = section.uint64()
                    found.ranges.append((serial, serial))
                else:
                    found.key_ids.add(section.string())
        else:
            raise ValueError(f"it revokes certificates in a way ({kind}) that is unknown")
        if section.left:
            raise ValueError("bytes follow a section")
    return found
