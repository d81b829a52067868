"""What a client asks for in one SFTP packet, and which directions that needs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.session.transfer.sftp_wire import ATTR_SIZE, Fields, OpenFlag, Packet, SftpViolation
from policy.domain.windows import Channel

UP = frozenset({Channel.SFTP_UP})
DOWN = frozenset({Channel.SFTP_DOWN})
NOTHING: frozenset[Channel] = frozenset()

MAX_NAME = 4096
"""Bytes of one path, as on the systems that devices run."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request.

    ``op`` is its name in the trace, empty for what belongs to an open file's own record. ``needs`` are the
    directions it takes; none is needed to look (list, stat). For a symbolic link, ``path`` is the link made
    and ``target`` where it points, in the order that OpenSSH uses on the wire.
    """

    type: int
    id: int
    op: str = ""
    path: bytes = b""
    target: bytes | None = None
    handle: bytes | None = None
    second_handle: bytes | None = None
    offset: int = 0
    length: int = 0
    data: memoryview | None = None
    open_flags: int = 0
    new_size: int | None = None
    extension: bytes = b""
    needs: frozenset[Channel] = field(default=NOTHING)

    @property
    def names_sound(self) -> bool:
        """Whether the names are ones that a device can read in one way only (no NUL, bounded)."""
        return all(b"\0" not in name and len(name) <= MAX_NAME for name in (self.path, self.target or b""))


def read_request(packet: bytes) -> Request | None:
    """Read the request in *packet* (with its length prefix); None for a type or extension not known here.

    Raises SftpViolation where it is cut short or lies about the length of its data.
    """
    kind = packet[4]
    fields = Fields(packet, 5)
    request = Request(type=kind, id=fields.u32())
    reader = _READERS.get(kind)
    if reader is None or not reader(request, fields):
        return None
    return request


def request_id(packet: bytes) -> int:
    """Return the id of a request of any type. Raises SftpViolation where there is none."""
    return Fields(packet, 5).u32()


def _open(request: Request, fields: Fields) -> bool:
    request.op = "open"
    request.path = fields.string()
    flags = request.open_flags = fields.u32()
    if flags >= OpenFlag.EXCLUSIVE << 1:
        return False
    # without WRITE a server opens for reading, whatever else is asked (OpenSSH's O_RDONLY is zero)
    needs = NOTHING if flags & OpenFlag.WRITE and not flags & OpenFlag.READ else DOWN
    request.needs = needs | UP if flags & ~OpenFlag.READ else needs
    return True


def _by_handle(request: Request, fields: Fields) -> bool:
    request.handle = fields.string()
    return True


def _read(request: Request, fields: Fields) -> bool:
    request.handle = fields.string()
    request.offset = fields.u64()
    request.length = fields.u32()
    return True


def _write(request: Request, fields: Fields) -> bool:
    request.handle = fields.string()
    request.offset = fields.u64()
    request.data = fields.data()
    if fields.left:
        raise SftpViolation("a write holds more than its data")
    return True


def _set_attributes(request: Request, fields: Fields) -> bool:
    request.op = "setstat"
    request.needs = UP
    if request.type == Packet.FSETSTAT:
        request.handle = fields.string()
    else:
        request.path = fields.string()
    if fields.left and fields.u32() & ATTR_SIZE:
        request.new_size = fields.u64()
    return True


def _looks(op: str) -> Callable[[Request, Fields], bool]:
    def read(request: Request, fields: Fields) -> bool:
        request.op = op
        request.path = fields.string()
        return True

    return read


def _changes(op: str) -> Callable[[Request, Fields], bool]:
    def read(request: Request, fields: Fields) -> bool:
        request.op = op
        request.path = fields.string()
        request.needs = UP
        return True

    return read


def _moves(op: str) -> Callable[[Request, Fields], bool]:
    def read(request: Request, fields: Fields) -> bool:
        request.op = op
        request.path = fields.string()
        request.target = fields.string()
        request.needs = UP
        return True

    return read


def _symlink(request: Request, fields: Fields) -> bool:
    request.op = "symlink"
    request.target = fields.string()
    request.path = fields.string()
    request.needs = UP
    return True


def _copy_data(request: Request, fields: Fields) -> bool:
    request.op = "copy-data"
    request.handle = fields.string()
    request.offset = fields.u64()
    fields.u64()
    request.second_handle = fields.string()
    fields.u64()
    request.needs = UP
    return True


def _nothing(request: Request, fields: Fields) -> bool:
    del request, fields
    return True


def _extended(request: Request, fields: Fields) -> bool:
    request.extension = fields.string()
    reader = EXTENSIONS.get(request.extension)
    return reader is not None and reader(request, fields)


EXTENSIONS: dict[bytes, Callable[[Request, Fields], bool]] = {
    b"posix-rename@openssh.com": _moves("rename"),
    b"hardlink@openssh.com": _moves("hardlink"),
    b"lsetstat@openssh.com": _set_attributes,
    b"copy-data": _copy_data,
    b"fsync@openssh.com": _by_handle,
    b"statvfs@openssh.com": _looks("statvfs"),
    b"fstatvfs@openssh.com": _by_handle,
    b"expand-path@openssh.com": _looks("realpath"),
    b"limits@openssh.com": _nothing,
    b"home-directory": _nothing,
    b"users-groups-by-id@openssh.com": _nothing,
}
"""The extensions understood here; no other is announced to the client or passed to the device."""

_READERS: dict[int, Callable[[Request, Fields], bool]] = {
    Packet.OPEN: _open,
    Packet.CLOSE: _by_handle,
    Packet.READ: _read,
    Packet.WRITE: _write,
    Packet.LSTAT: _looks("lstat"),
    Packet.STAT: _looks("stat"),
    Packet.FSTAT: _by_handle,
    Packet.SETSTAT: _set_attributes,
    Packet.FSETSTAT: _set_attributes,
    Packet.OPENDIR: _looks("list"),
    Packet.READDIR: _by_handle,
    Packet.REMOVE: _changes("remove"),
    Packet.MKDIR: _changes("mkdir"),
    Packet.RMDIR: _changes("rmdir"),
    Packet.REALPATH: _looks("realpath"),
    Packet.RENAME: _moves("rename"),
    Packet.READLINK: _looks("readlink"),
    Packet.SYMLINK: _symlink,
    Packet.EXTENDED: _extended,
}
