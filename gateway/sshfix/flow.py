"""Back-pressure of a whole connection: the transport's, and that of a key renewal."""

from typing import Any, Protocol, cast

from asyncssh.constants import MSG_CHANNEL_REQUEST, MSG_IGNORE
from asyncssh.packet import SSHPacketLogger
from typing_extensions import override

from gateway.sshfix.fastpath import FastData

INPUT_LIMIT = 1024 * 1024
"""Bytes kept unread while a packet waits for an answer; a peer that sends more is cut."""
OUTPUT_LIMIT = 32 * 1024 * 1024
"""Bytes a peer may leave unread. Feeders stop long before: only answers to what it asks grow beyond, without end."""
DEFERRED_PART = 64
"""Bytes that Python keeps of each part of a packet that waits for new keys, beside what is in it."""
READ_BYTES = (4 * 1024, 256 * 1024)
"""Least and most bytes taken from a connection in one turn of the loop; asyncio always takes the most."""
TURN_SECONDS = 0.01
"""What one connection may take of a turn. 256 KiB of full packets are eight; of a byte each, they are thousands,
and every other session would wait for them."""


class Feeder(Protocol):
    """What writes to a connection and can be told to stop."""

    def hold(self, connection: "FlowControl") -> None:
        """Write no more to *connection*: it is congested."""

    def release(self, connection: "FlowControl") -> None:
        """Write again to *connection*."""


class FlowControl(FastData):
    """Mixin, placed before asyncssh's own class: tells its feeders when the connection is congested."""

    _deferred_bytes = 0

    def _flow(self) -> tuple[set[str], set[Feeder]]:
        # The mixin has no __init__ of its own: the two connection classes have different signatures.
        state: tuple[set[str], set[Feeder]] | None = self.__dict__.get("flow_state")
        if state is None:
            state = (set(), set())
            self.__dict__["flow_state"] = state
        return state

    @property
    def congested(self) -> bool:
        """Whether feeders must wait now."""
        return bool(self._flow()[0])

    def add_feeder(self, feeder: Feeder) -> None:
        """Register *feeder*, and hold it at once if the connection is congested."""
        self._flow()[1].add(feeder)
        if self.congested:
            feeder.hold(self)

    def remove_feeder(self, feeder: Feeder) -> None:
        """Forget *feeder*."""
        self._flow()[1].discard(feeder)

    def _congest(self, reason: str) -> None:
        reasons, feeders = self._flow()
        first = not reasons
        reasons.add(reason)
        if first:
            for feeder in tuple(feeders):
                feeder.hold(self)

    def _relieve(self, reason: str) -> None:
        reasons, feeders = self._flow()
        if reason not in reasons:
            return
        reasons.discard(reason)
        if not reasons:
            for feeder in tuple(feeders):
                feeder.release(self)

    @override
    def pause_writing(self) -> None:
        """The transport's buffer is full (asyncio calls this; asyncssh does nothing with it)."""
        self._congest("transport")

    @override
    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        self._relieve("transport")

    @override
    def _send_kexinit(self) -> None:
        # Until new keys are there, asyncssh queues every packet without bound.
        self._congest("keys")
        super()._send_kexinit()

    @override
    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """Finish a key exchange on the sending side, and let the feeders go on."""
        super().send_newkeys(k, h)
        self._loop.call_soon(self._relieve, "keys")

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Take bytes from the transport, fewer the next time where they took long.

        Cuts a peer that floods while its last packet is being answered, or that asks and never reads the answers.
        """
        started = self._loop.time()
        super().data_received(data, datatype)
        self._take_turns(self._loop.time() - started)
        if len(self._inpbuf) > INPUT_LIMIT:
            self.logger.warning("More than %d bytes unread: connection aborted", INPUT_LIMIT)
            self.abort()
        self._bound_output()

    def _bound_output(self) -> None:
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() + self._deferred_bytes > OUTPUT_LIMIT:
            self.logger.warning("More than %d bytes left unread: connection aborted", OUTPUT_LIMIT)
            self.abort()

    def _take_turns(self, seconds: float) -> None:
        transport = cast(Any, self._transport)  # asyncio's own have max_size, and no method to say it
        if hasattr(transport, "max_size"):
            least, most = READ_BYTES
            size = transport.max_size // 2 if seconds > TURN_SECONDS else transport.max_size * 2
            transport.max_size = min(max(size, least), most)

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send one packet; leave out the SSH_MSG_IGNORE that only the CBC ciphers need.

        Cuts a peer that is silent and reads nothing, or ends no key exchange: sizes, signals and breaks of a terminal have no
        window, and go on to a device for as long as somebody sends them.
        """
        if pkttype == MSG_IGNORE and not self._sends_with_cbc():
            return
        waiting = len(self._deferred_packets)
        super().send_packet(pkttype, *args, handler=handler)
        if len(self._deferred_packets) > waiting:
            self._deferred_bytes += sum(len(arg) + DEFERRED_PART for arg in args)
        if pkttype == MSG_CHANNEL_REQUEST:
            self._bound_output()

    @override
    def _send_deferred_packets(self) -> None:
        self._deferred_bytes = 0  # what has to wait again is counted again
        super()._send_deferred_packets()

    def _sends_with_cbc(self) -> bool:
        algorithm = self._enc_alg_sc if self.is_server() else self._enc_alg_cs
        return b"-cbc" in algorithm
