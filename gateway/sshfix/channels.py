"""Session channels of both legs: honest windows, bounded requests, an answer that can come late."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex, cast

from asyncssh import (
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    ChannelOpenError,
    SSHClientChannel,
    SSHClientSession,
    SSHServerChannel,
    SSHTCPChannel,
    SSHTCPSession,
)
from asyncssh.constants import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_WINDOW_ADJUST, PTY_OP_END
from asyncssh.misc import ProtocolError
from asyncssh.packet import Byte, SSHPacket, String, UInt32
from typing_extensions import override

from gateway.sshfix.fastpath import FastChannel

MAX_QUEUED_REQUESTS = 64
MAX_ENVIRONMENT = 32
MAX_ENVIRONMENT_BYTES = 1024
JOINED_BYTES = 256 * 1024
"""Pieces of one stream that wait are handed over together up to this many bytes: eight packets, far below what a
frame of the trace may hold. A terminal's window is smaller, so that an interrupt is seen at once."""


@dataclass(frozen=True, slots=True)
class PtyRequest:
    """A terminal as the client asked for it: size is (columns, rows, pixel width, pixel height)."""

    term: str
    size: tuple[int, int, int, int]
    modes: Mapping[int, int]


class RequestOwner(Protocol):
    """What a server session answers beyond asyncssh's own callbacks."""

    def environment_allowed(self, name: bytes) -> bool:
        """Tell whether the variable may be passed on."""

    def forwarding_refused(self, kind: str) -> None:
        """A request for *kind* (``agent``, ``x11``) was refused."""

    def peer_closed(self) -> None:
        """The peer closed the channel; it still takes an exit status, and waits for our close."""


class _Pieces(deque[tuple[bytes, int | None]]):
    """A receive buffer that knows its size, and joins small pieces of one stream as it gives them.

    A process that writes byte by byte fills a window with a million pieces. asyncssh's list would be counted and
    moved once for each, and each would be recorded and sent on its own: one such process stops all sessions.
    """

    size = 0

    @override
    def append(self, piece: tuple[bytes, int | None]) -> None:
        self.size += len(piece[0])
        super().append(piece)

    @override
    def pop(self, index: SupportsIndex = 0) -> tuple[bytes, int | None]:
        if index != 0:
            raise IndexError("pieces leave in the order in which they came")
        data, datatype = self.popleft()
        taken, length = [data], len(data)
        while self and self[0][1] == datatype and length + len(self[0][0]) <= JOINED_BYTES:
            taken.append(self.popleft()[0])
            length += len(taken[-1])
        self.size -= length
        return (b"".join(taken) if len(taken) > 1 else data), datatype


class _HonestWindow(FastChannel):
    """Counts what still waits in the receive buffer as part of the window granted; gathers small pieces.

    asyncssh grants a full window again whenever one packet is delivered, so that each pause lets the peer
    send another window: a slow reader makes the buffer grow without end.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Begin as asyncssh's channel does, with another buffer."""
        super().__init__(*arguments, **named)
        self._gathering = False
        self._new_buffer()

    def _new_buffer(self) -> None:
        self._pieces = _Pieces()
        self._recv_buf = self._pieces  # type: ignore[assignment]  # has what asyncssh uses of a list

    @override
    def _discard_recv(self) -> None:
        super()._discard_recv()
        self._new_buffer()

    @override
    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        """Take data: the first piece of the loop's turn passes at once, the others together at its end."""
        if not self._gathering:
            self._gathering = True
            self._loop.call_soon(self._gathered)
            super()._accept_data(data, datatype)
        elif data and self._send_state not in {"close_pending", "closed"}:
            self._recv_window -= len(data)
            self._pieces.append((data, datatype))

    def _gathered(self) -> None:
        self._gathering = False
        self._deliver_waiting()

    def _deliver_waiting(self) -> None:
        if self._pieces and not self._recv_paused:
            self._flush_recv_buf()

    @override
    def _deliver_data(self, data: bytes, datatype: int | None) -> None:
        credit = self._recv_window + self._pieces.size
        if credit < self._init_recv_window / 2:
            grant = self._init_recv_window - credit
            self.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(grant))
            self._recv_window += grant
        if self._session is not None:
            self._session.data_received(data, datatype)

    def can_write(self) -> bool:
        """Tell whether data can still be sent."""
        return self._send_state == "open"


class ClientChannel(_HonestWindow, SSHServerChannel[bytes]):
    """A person's session channel.

    A client that has seen both ends of file closes the channel at once and takes the exit status that still
    comes (ssh with ControlMaster does); asyncssh answers the close at once, and the status is lost.
    """

    _peer_has_closed = False

    @override
    def can_write(self) -> bool:
        """Tell whether data can still be sent."""
        return super().can_write() and not self._peer_has_closed

    @override
    def close(self) -> None:
        """Close our side; where the peer has closed before, the channel is over."""
        if self._peer_has_closed and self._recv_state != "closed":
            self._recv_state = "close_pending"
        super().close()

    def _process_patient_close(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        if self._send_state in {"close_pending", "closed"} or self._session is None:
            self._process_close(pkttype, pktid, packet)
            return
        if self._peer_has_closed:
            raise ProtocolError("Channel closed twice")
        packet.check_end()
        self._peer_has_closed = True
        self._send_buf = []
        self._send_buf_len = 0
        self._pause_resume_writing()
        self._owner().peer_closed()

    def answer(self, *, accepted: bool) -> None:
        """Answer the shell, exec or subsystem request whose callback returned None (deferred).

        Data starts to flow only after an accepted answer. Does nothing once the channel is gone.
        """
        if self._request_queue and self._conn is not None:
            self._report_response(accepted)

    def _owner(self) -> RequestOwner:
        return cast(RequestOwner, self._session)

    def _process_bounded_request(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        if len(self._request_queue) >= MAX_QUEUED_REQUESTS:
            raise ProtocolError("Too many unanswered channel requests")
        self._deliver_waiting()  # a signal or a resize does not overtake what was typed before it
        self._process_request(pkttype, pktid, packet)

    @override
    def _process_exec_request(self, packet: SSHPacket) -> bool:
        command = packet.get_string()
        packet.check_end()
        # A command is bytes (RFC 4254 section 6.5); the session gets the same bytes back by os.fsencode rules.
        return self._start_session(command=command.decode("utf-8", "surrogateescape"))

    @override
    def _process_env_request(self, packet: SSHPacket) -> bool:
        name = packet.get_string()
        value = packet.get_string()
        packet.check_end()
        if len(self._env) >= MAX_ENVIRONMENT or len(name) + len(value) > MAX_ENVIRONMENT_BYTES:
            return False
        if not self._owner().environment_allowed(name):
            return False
        self._env[name] = value
        return True

    @override
    def _process_x11_req_request(self, packet: SSHPacket) -> bool:
        del packet
        self._owner().forwarding_refused("x11")
        return False

    # asyncssh declares None (answered later); an answer at once is what its dispatcher expects of a bool.
    @override
    def _process_auth_agent_req_at_openssh_dot_com_request(  # type: ignore[override]  # see above
        self, packet: SSHPacket
    ) -> bool:
        packet.check_end()
        self._owner().forwarding_refused("agent")
        return False

    _packet_handlers = {  # noqa: RUF012 - asyncssh looks its handlers up in a plain class attribute
        **SSHServerChannel._packet_handlers,  # noqa: SLF001 - overriding the method alone is not enough
        MSG_CHANNEL_REQUEST: _process_bounded_request,
        MSG_CHANNEL_CLOSE: _process_patient_close,
    }


class TunnelChannel(_HonestWindow, SSHTCPChannel[bytes]):
    """A channel of a person's connection that carries another connection or a port (RFC 4254 section 7.2)."""


class PortChannel(TunnelChannel):
    """A channel of a device's connection that carries one of the device's own ports."""

    async def start(self, session: SSHTCPSession[bytes], host: str, port: int) -> None:
        """Have the device connect to *host* and *port* as it sees them; raises ChannelOpenError with its refusal.

        Where the person's connection comes from is not told. Data is delivered only after ``resume_reading``.
        """
        packet = await self._open(b"direct-tcpip", String(host), UInt32(port), String("127.0.0.1"), UInt32(0))
        packet.check_end()
        self._session = session
        self._recv_paused = True
        session.connection_made(self)
        session.session_started()


class DeviceChannel(_HonestWindow, SSHClientChannel[bytes]):
    """A session channel on a device, opened step by step so that each refusal stays distinct."""

    async def start(
        self,
        session: SSHClientSession[bytes],
        kind: str,
        argument: bytes,
        *,
        environment: Mapping[bytes, bytes],
        pty: PtyRequest | None,
    ) -> None:
        """Open the channel and request *kind* (``shell``, ``exec`` or ``subsystem``) with *argument*.

        Raises ChannelOpenError with code OPEN_REQUEST_PTY_FAILED or OPEN_REQUEST_SESSION_FAILED where the
        device opens the channel and refuses the request, with the device's own code where it does not.
        Data is delivered only after ``resume_reading``, which the caller does when its own side is ready.
        """
        packet = await self._open(b"session")
        packet.check_end()
        self._session = session
        self._recv_paused = True
        session.connection_made(self)
        for name, value in environment.items():
            self._send_request(b"env", String(name), String(value))
        if pty is not None and not await self._request_pty(pty):
            self.close()
            raise ChannelOpenError(OPEN_REQUEST_PTY_FAILED, "terminal refused")
        # An empty command stays an exec request: asyncssh's own create() would open a shell instead.
        arguments = () if kind == "shell" else (String(argument),)
        if not await self._make_request(kind.encode(), *arguments):
            self.close()
            raise ChannelOpenError(OPEN_REQUEST_SESSION_FAILED, "session refused")
        session.session_started()

    async def _request_pty(self, pty: PtyRequest) -> bool:
        modes = b"".join(Byte(mode) + UInt32(value) for mode, value in pty.modes.items())
        sizes = (UInt32(number) for number in pty.size)
        return bool(
            await self._make_request(b"pty-req", String(pty.term), *sizes, String(modes + Byte(PTY_OP_END)))
        )
