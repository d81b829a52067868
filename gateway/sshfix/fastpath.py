"""The packets that make up a transfer, data and grants of window under AES-GCM, with few copies and one write a block.

asyncssh cuts its receive buffer twice a packet, copies a packet eight times on its way out, makes the cipher
anew for each and words a log line that nobody reads. What is taken here is exactly what it would take: a
packet that is not plainly good (another type or cipher, a wrong tag, a window exceeded, keys that are due)
is left untouched for asyncssh, which then refuses it in its own way.
"""

import os
import time
from collections.abc import Sequence
from struct import Struct
from typing import Any

from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import Encryption, GCMEncryption
from asyncssh.packet import SSHPacketLogger, UInt32
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from gateway.sshfix.silence import Discreet, Unlogged

LENGTH = Struct(">I")
TAG = 16
HEAD = Struct(">BBII")
"""Padding length, message type, recipient channel, and length of the data or bytes granted (RFC 4253 section 6,
RFC 4254 section 5.2)."""
DATA = Struct(">BII")
"""The same without the padding's length."""
LEAST_PADDING = 4
COUNTER = 4
"""Where the counter begins in a nonce of GCM, eight bytes that grow by one a packet (RFC 5647 section 7.1)."""


class FastChannel(Unlogged, SSHChannel[bytes]):
    """Mixin, placed before asyncssh's own class: takes and sends data without the steps between."""

    def takes(self, size: int) -> bool:
        """Tell whether *size* bytes are within what was granted; where not, asyncssh says why."""
        return self._recv_state == "open" and size <= self._recv_window

    def take(self, data: bytes) -> None:
        """Take *data*, for which ``takes`` was true."""
        self._accept_data(data)

    def widens(self) -> bool:
        """Tell whether the peer may grant more now; where not, asyncssh says why."""
        return self._recv_state in {"open", "eof_pending", "eof"}

    def widen(self, size: int) -> None:
        """Send *size* bytes more, for which ``widens`` was true."""
        self._send_window += size
        if self._send_buf:
            self._flush_send_buf()

    @override
    def write(self, data: bytes, datatype: int | None = None) -> None:
        """Send *data*, straight where the window has room for all of it and nothing waits.

        Raises OSError where the channel is not open for sending.
        """
        connection = self._conn
        if (
            datatype is not None
            or self._send_buf
            or self._send_state != "open"
            or not 0 < len(data) <= self._send_window
            or self._send_chan is None
            or not isinstance(connection, FastData)
        ):
            super().write(data, datatype)
            return
        self._send_window -= len(data)
        connection.send_data(self._send_chan, data, self._send_pktsize, handler=self)


class _Gcm:
    """The cipher of one direction between two key exchanges; asyncssh's own holds the counter for both of us."""

    def __init__(self, encryption: Encryption | None) -> None:
        self.encryption = encryption
        self.cipher: Any = None
        self.key: AESGCM | None = None
        if type(encryption) is GCMEncryption and type(encryption._cipher) is GCMCipher:  # noqa: SLF001 - no accessor
            self.cipher = encryption._cipher  # noqa: SLF001 - no accessor
            self.key = AESGCM(self.cipher._key)  # noqa: SLF001 - no accessor


def _after(nonce: bytes) -> bytes:
    """The nonce of the next packet."""
    count = int.from_bytes(nonce[COUNTER:], "big") + 1 & 0xFFFFFFFFFFFFFFFF
    return nonce[:COUNTER] + count.to_bytes(8, "big")


class FastData(Discreet):
    """Mixin, placed before asyncssh's own class: reads and builds packets of data with one copy each."""

    _gcm_in = _Gcm(None)
    _gcm_out = _Gcm(None)

    @override
    def _recv_pkthdr(self) -> bool:
        """Take the packets of data that stand first, and leave the next other one to asyncssh."""
        if not self._auth_complete or self._decompressor:
            return super()._recv_pkthdr()
        if self._gcm_in.encryption is not self._recv_encryption:
            self._gcm_in = _Gcm(self._recv_encryption)
        key = self._gcm_in.key
        if key is None:
            return super()._recv_pkthdr()
        waits = self._take_packets(key, self._gcm_in.cipher)
        return False if waits else super()._recv_pkthdr()

    def _take_packets(self, key: AESGCM, cipher: Any) -> bool:
        """Take packets of data; tell whether the rest is only the beginning of a packet."""
        received = self._inpbuf
        view = memoryview(received)
        end = len(received)
        at = 0
        try:
            while self._transport:
                body = at + LENGTH.size
                if body > end:
                    return True
                length: int = LENGTH.unpack_from(received, at)[0]
                after = body + length + TAG
                if length > self._max_recv_pktlen:
                    return False
                if after > end:
                    return True
                try:
                    plain = key.decrypt(cipher._iv, view[body:after], view[at:body])  # noqa: SLF001 - no accessor
                except InvalidTag:
                    return False
                if not self._take_packet(plain, cipher):
                    return False
                at = after
        finally:
            view.release()
            if at:
                self._inpbuf = received[at:]
        return False

    def _take_packet(self, plain: bytes, cipher: Any) -> bool:
        """Take one packet, or change nothing where it is not plainly good data or a window that grows."""
        if len(plain) < HEAD.size:
            return False
        padding, kind, number, size = HEAD.unpack_from(plain)
        channel = self._channels.get(number)
        if not padding or not isinstance(channel, FastChannel):
            return False
        if kind == MSG_CHANNEL_DATA:
            if HEAD.size + size + padding != len(plain) or not channel.takes(size):
                return False
            self._taken(cipher)
            channel.take(plain[HEAD.size : HEAD.size + size])
        elif kind == MSG_CHANNEL_WINDOW_ADJUST:
            if HEAD.size + padding != len(plain) or not channel.widens():
                return False
            self._taken(cipher)
            channel.widen(size)
        else:
            return False
        return True

    def _taken(self, cipher: Any) -> None:
        """Count a packet, as asyncssh would."""
        cipher._iv = _after(cipher._iv)  # noqa: SLF001 - asyncssh's own counter, so that either of us can go on
        self._auth_final = True
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF

    def send_data(self, recipient: int, data: bytes, most: int, *, handler: SSHPacketLogger) -> None:
        """Send *data*, in packets of at most *most* bytes of it, by one write to the socket.

        Where asyncssh must queue them or renew keys on the way, each goes its own way.
        """
        view = memoryview(data)
        pieces = [view[start : start + most] for start in range(0, len(data), most)]
        key = self._sending_key(len(data))
        if key is None:
            number = UInt32(recipient)
            for piece in pieces:
                self.send_packet(MSG_CHANNEL_DATA, number, UInt32(len(piece)), bytes(piece), handler=handler)
            return
        self._send_sealed(
            key, [(DATA.pack(MSG_CHANNEL_DATA, recipient, len(piece)), piece) for piece in pieces]
        )

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send one packet (asyncssh's own way but for data under AES-GCM)."""
        key = self._sending_key() if pkttype == MSG_CHANNEL_DATA else None
        if key is None:
            super().send_packet(pkttype, *args, handler=handler)
        else:
            self._send_sealed(key, [(bytes((pkttype,)), b"".join(args))])

    def _send_sealed(self, key: AESGCM, payloads: Sequence[tuple[bytes, bytes | memoryview]]) -> None:
        """Send a packet for each payload, given in two parts, by one write."""
        cipher = self._gcm_out.cipher
        nonce = cipher._iv  # noqa: SLF001 - asyncssh's own counter, so that either of us can go on
        multiple, beside = self._send_blocksize, self._send_enchdrlen
        random = os.urandom(multiple + LEAST_PADDING)
        packets: list[bytes] = []
        count = 0
        for head, rest in payloads:
            size = len(head) + len(rest)
            padding = -(beside + size) % multiple
            if padding < LEAST_PADDING:
                padding += multiple
            length = 1 + size + padding
            clear = LENGTH.pack(length)
            plain = b"".join((padding.to_bytes(), head, rest, random[:padding]))
            packets += (clear, key.encrypt(nonce, plain, clear))
            nonce = _after(nonce)
            count += length
        cipher._iv = nonce  # noqa: SLF001 - see above
        self._send(b"".join(packets))
        self._send_seq = (self._send_seq + len(payloads)) & 0xFFFFFFFF
        self._rekey_bytes_sent += count

    def _sending_key(self, size: int = 0) -> AESGCM | None:
        """The cipher for *size* bytes of data now; None where asyncssh must queue, renew keys or compress first."""
        if (
            not self._auth_complete
            or not self._kex_complete
            or self._compressor
            or self._rekey_bytes_sent + size >= self._rekey_bytes
            or (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):
            return None
        if self._gcm_out.encryption is not self._send_encryption:
            self._gcm_out = _Gcm(self._send_encryption)
        return self._gcm_out.key
