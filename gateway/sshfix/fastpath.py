"""The packets that make up a transfer, SSH_MSG_CHANNEL_DATA under AES-GCM, with few copies and no log line.

asyncssh cuts its receive buffer twice a packet, copies a packet eight times on its way out, makes the cipher
anew for each and words a log line that nobody reads. What is taken here is exactly what it would take: a
packet that is not plainly good (another type or cipher, a wrong tag, a window exceeded, keys that are due)
is left untouched for asyncssh, which then refuses it in its own way.
"""

import os
import time
from typing import Any, cast

from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import Encryption, GCMEncryption
from asyncssh.packet import SSHPacketLogger, UInt32
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from gateway.sshfix.silence import Discreet, Unlogged

LENGTH = 4
TAG = 16
DATA_HEAD = 10
"""Padding length, message type, recipient channel and length of the data (RFC 4253 section 6, RFC 4254 section 5.2)."""
LEAST_PADDING = 4


class FastChannel(Unlogged, SSHChannel[bytes]):
    """Mixin, placed before asyncssh's own class: takes and sends data without the steps between."""

    def takes(self, size: int) -> bool:
        """Tell whether *size* bytes are within what was granted; where not, asyncssh says why."""
        return self._recv_state == "open" and size <= self._recv_window

    def take(self, data: bytes) -> None:
        """Take *data*, for which ``takes`` was true."""
        self._accept_data(data)

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
        most = self._send_pktsize
        recipient = UInt32(self._send_chan)
        for start in range(0, len(data), most):
            piece = data[start : start + most]
            self._send_window -= len(piece)
            connection.send_packet(MSG_CHANNEL_DATA, recipient, UInt32(len(piece)), piece, handler=self)


class _Gcm:
    """The cipher of one direction between two key exchanges; asyncssh's own holds the counter for both of us."""

    def __init__(self, encryption: Encryption | None) -> None:
        self.encryption = encryption
        self.cipher: Any = None
        self.key: AESGCM | None = None
        if type(encryption) is GCMEncryption and type(encryption._cipher) is GCMCipher:  # noqa: SLF001 - no accessor
            self.cipher = encryption._cipher  # noqa: SLF001 - no accessor
            self.key = AESGCM(self.cipher._key)  # noqa: SLF001 - no accessor


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
                body = at + LENGTH
                if body > end:
                    return True
                length = int.from_bytes(view[at:body], "big")
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
        """Hand over one packet, or change nothing where it is not plainly good data."""
        if len(plain) < DATA_HEAD or plain[1] != MSG_CHANNEL_DATA:
            return False
        size = int.from_bytes(plain[6:DATA_HEAD], "big")
        channel = self._channels.get(int.from_bytes(plain[2:6], "big"))
        if (
            DATA_HEAD + size + plain[0] != len(plain)
            or not plain[0]
            or not isinstance(channel, FastChannel)
            or not channel.takes(size)
        ):
            return False
        cipher._update_iv()  # noqa: SLF001 - asyncssh's own counter, so that either of us can go on
        self._auth_final = True
        channel.take(plain[DATA_HEAD : DATA_HEAD + size])
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        return True

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send one packet (asyncssh's own way but for data under AES-GCM)."""
        key = self._sending_key() if pkttype == MSG_CHANNEL_DATA else None
        if key is None:
            super().send_packet(pkttype, *args, handler=handler)
            return
        cipher = self._gcm_out.cipher
        size = 1 + sum(map(len, args))
        padding = -(self._send_enchdrlen + size) % self._send_blocksize
        if padding < LEAST_PADDING:
            padding += self._send_blocksize
        plain = b"".join((bytes((padding, pkttype)), *args, os.urandom(padding)))
        head = UInt32(len(plain))
        packet = bytearray(LENGTH + len(plain) + TAG)
        packet[:LENGTH] = head
        key.encrypt_into(cipher._iv, plain, head, memoryview(packet)[LENGTH:])  # noqa: SLF001 - no accessor
        cipher._update_iv()  # noqa: SLF001 - asyncssh's own counter, so that either of us can go on
        self._send(cast(bytes, packet))  # fresh for each packet: the transport may keep it
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(plain)

    def _sending_key(self) -> AESGCM | None:
        """The cipher for a packet of data now; None where asyncssh must queue it, renew keys or compress first."""
        if (
            not self._auth_complete
            or not self._kex_complete
            or self._compressor
            or self._rekey_bytes_sent >= self._rekey_bytes
            or (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        ):
            return None
        if self._gcm_out.encryption is not self._send_encryption:
            self._gcm_out = _Gcm(self._send_encryption)
        return self._gcm_out.key
