"""The wire format of SFTP version 3 (draft-ietf-secsh-filexfer-02): framing, fields, statuses."""

import struct
from collections.abc import Iterator
from enum import IntEnum

MAX_FRAME = 256 * 1024 + 1024
"""Bytes that a frame may announce: OpenSSH's own limit, with room for the fields around the data."""

_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


class SftpViolation(Exception):
    """A frame that no honest client or server sends: the channel that carried it must end."""


class Packet(IntEnum):
    """Packet types of version 3."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(IntEnum):
    """Status codes of version 3."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class OpenFlag(IntEnum):
    """What a file is opened for (``pflags``)."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


ATTR_SIZE = 0x01
"""The attribute flag that says a size follows."""


class Fields:
    """Reads the fields of one packet in order; raises SftpViolation where one runs past its end."""

    __slots__ = ("_at", "_packet")

    def __init__(self, packet: bytes, at: int) -> None:
        """Read *packet* from the offset *at*."""
        self._packet = packet
        self._at = at

    def u32(self) -> int:
        """Return a 32-bit number."""
        at = self._at
        self._at = at + 4
        if self._at > len(self._packet):
            raise SftpViolation("a packet ends inside a number")
        return int(_U32.unpack_from(self._packet, at)[0])

    def u64(self) -> int:
        """Return a 64-bit number."""
        at = self._at
        self._at = at + 8
        if self._at > len(self._packet):
            raise SftpViolation("a packet ends inside a number")
        return int(_U64.unpack_from(self._packet, at)[0])

    def string(self) -> bytes:
        """Return a string of bytes."""
        view = self.data()
        return bytes(view)

    def data(self) -> memoryview:
        """Return a string of bytes without copying it."""
        length = self.u32()
        at = self._at
        self._at = at + length
        if self._at > len(self._packet):
            raise SftpViolation("a packet ends inside a string")
        return memoryview(self._packet)[at : self._at]

    @property
    def left(self) -> int:
        """How many bytes follow."""
        return len(self._packet) - self._at


class FrameSplitter:
    """Cuts a byte stream, however it arrives, into whole frames; holds at most one partial frame."""

    def __init__(self) -> None:
        """Start with nothing held."""
        self._held = bytearray()
        self._need = 4

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each frame that *data* completes, with its four bytes of length.

        Raises SftpViolation on a length of zero or beyond MAX_FRAME, before any more is held.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                return
            data = bytes(self._held)
            self._held.clear()
        at, end = 0, len(data)
        self._need = 4
        while end - at >= 4:
            length = int(_U32.unpack_from(data, at)[0])
            if not 1 <= length <= MAX_FRAME:
                raise SftpViolation(f"a frame announces {length} bytes")
            self._need = 4 + length
            if end - at < self._need:
                break
            yield data[at : at + self._need]
            at += self._need
            self._need = 4
        if at < end:
            self._held += memoryview(data)[at:]

    @property
    def held(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._held)


def u32(number: int) -> bytes:
    """Return *number* in 32 bits."""
    return _U32.pack(number)


def u64(number: int) -> bytes:
    """Return *number* in 64 bits."""
    return _U64.pack(number)


def string(raw: bytes) -> bytes:
    """Return *raw* behind its length."""
    return _U32.pack(len(raw)) + raw


def frame(packet_type: int, body: bytes) -> bytes:
    """Return one whole frame."""
    return _U32.pack(1 + len(body)) + bytes([packet_type]) + body


def status_frame(request_id: int, status: Status, message: str) -> bytes:
    """Return the answer to the request *request_id* with a *status* and a *message* for people."""
    return frame(Packet.STATUS, u32(request_id) + u32(status) + string(message.encode()) + string(b""))


def status_name(code: int) -> str:
    """Return the name of a status as the trace writes it (``no-such-file``)."""
    try:
        return Status(code).name.lower().replace("_", "-")
    except ValueError:
        return f"status-{code}"
