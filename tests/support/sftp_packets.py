"""SFTP packets as a client and a device would write them, honest or not."""

from gateway.session.transfer.sftp_wire import Packet, Status, frame, string, u32, u64

INIT = frame(Packet.INIT, u32(3))
VERSION = frame(Packet.VERSION, u32(3))


def request(kind: int, number: int, *fields: bytes) -> bytes:
    """Write a request (or an answer) of any type."""
    return frame(kind, u32(number) + b"".join(fields))


def open_file(number: int, path: bytes, flags: int) -> bytes:
    """Write an OPEN."""
    return request(Packet.OPEN, number, string(path), u32(flags), u32(0))


def close(number: int, handle: bytes) -> bytes:
    """Write a CLOSE."""
    return request(Packet.CLOSE, number, string(handle))


def read(number: int, handle: bytes, offset: int, length: int) -> bytes:
    """Write a READ."""
    return request(Packet.READ, number, string(handle), u64(offset), u32(length))


def write(number: int, handle: bytes, offset: int, data: bytes) -> bytes:
    """Write a WRITE."""
    return request(Packet.WRITE, number, string(handle), u64(offset), string(data))


def extended(number: int, name: bytes, *fields: bytes) -> bytes:
    """Write an EXTENDED request."""
    return request(Packet.EXTENDED, number, string(name), *fields)


def status(number: int, code: int = Status.OK) -> bytes:
    """Write a STATUS."""
    return request(Packet.STATUS, number, u32(code), string(b"x"), string(b""))


def handle(number: int, name: bytes) -> bytes:
    """Write a HANDLE."""
    return request(Packet.HANDLE, number, string(name))


def data(number: int, content: bytes) -> bytes:
    """Write a DATA."""
    return request(Packet.DATA, number, string(content))
