"""How fast the sftp tap alone relays and hashes: no SSH, no recorder, no network. Prints one line a direction."""

import time

from gateway.session.transfer.sftp import SftpTap
from gateway.session.transfer.sftp_wire import Packet, frame, string, u32, u64
from policy.domain.windows import Channel

MEBIBYTE = 1 << 20
TOTAL = 512 * MEBIBYTE
SSH_PACKET = 32 * 1024
BOTH = frozenset({Channel.SFTP_UP, Channel.SFTP_DOWN})


def _tap() -> SftpTap:
    tap = SftpTap(BOTH, lambda _: None)
    tap.from_client(frame(Packet.INIT, u32(3)))
    tap.from_device(frame(Packet.VERSION, u32(3)))
    tap.from_client(frame(Packet.OPEN, u32(1) + string(b"/f") + u32(0x1B) + u32(0)))
    tap.from_device(frame(Packet.HANDLE, u32(1) + string(b"h")))
    return tap


def up(piece: int) -> float:
    """Send TOTAL bytes in writes of *piece* bytes; return MiB/s."""
    tap, content = _tap(), b"x" * piece
    began = time.perf_counter()
    for offset in range(0, TOTAL, piece):
        stream = frame(Packet.WRITE, u32(2) + string(b"h") + u64(offset) + string(content))
        for at in range(0, len(stream), SSH_PACKET):
            tap.from_client(stream[at : at + SSH_PACKET])
        tap.from_device(frame(Packet.STATUS, u32(2) + u32(0) + string(b"") + string(b"")))
    return TOTAL / MEBIBYTE / (time.perf_counter() - began)


def down(piece: int) -> float:
    """Fetch TOTAL bytes in reads of *piece* bytes; return MiB/s."""
    tap, content = _tap(), b"x" * piece
    began = time.perf_counter()
    for offset in range(0, TOTAL, piece):
        tap.from_client(frame(Packet.READ, u32(2) + string(b"h") + u64(offset) + u32(piece)))
        stream = frame(Packet.DATA, u32(2) + string(content))
        for at in range(0, len(stream), SSH_PACKET):
            tap.from_device(stream[at : at + SSH_PACKET])
    return TOTAL / MEBIBYTE / (time.perf_counter() - began)


if __name__ == "__main__":
    for size in (32 * 1024, 255 * 1024):
        print(f"sftp tap, pieces of {size // 1024} KiB: up {up(size):.0f} MiB/s, down {down(size):.0f} MiB/s")
