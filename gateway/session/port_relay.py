"""One forwarded port of a session: the person's channel, the device's, and the trace between them.

asyncssh forwards by itself, and no trace would hold what passes (invariant 4): here each piece becomes a frame
first, and the writer keeps the first of them and a digest of all.
"""

from collections.abc import Callable
from functools import partial

import asyncssh
from typing_extensions import override

from gateway.errors import SessionEnded
from gateway.ports import Recording
from gateway.session.congestion import Congestion
from gateway.session.fail_closed import fails_closed
from gateway.session.idle import IdleMeter
from gateway.session.lane import Lane
from gateway.session.moved import Moved
from gateway.session.port_request import PortRequest, own_name
from gateway.session.valve import Valve
from gateway.sshfix import DeviceConnection, FlowControl, PortChannel, TunnelChannel
from recorder.trace.frames import FrameType, canonical

WINDOW = 256 * 1024
"""Bytes that a device may send ahead on one port; a person may have many open."""


class PortRelay:
    """Relays one port both ways, each piece recorded before it passes, with back-pressure from end to end."""

    def __init__(
        self,
        *,
        recording: Recording,
        number: int,
        request: PortRequest,
        meter: IdleMeter,
        monotonic: Callable[[], float],
        on_closed: Callable[["PortRelay"], None],
    ) -> None:
        """Relay under the trace's channel *number*; call *on_closed* once both channels are gone."""
        self.number = number
        self.request = request
        self.person: TunnelChannel | None = None
        self.device: PortChannel | None = None
        self.over = False
        self._recording = recording
        self._meter = meter
        self._monotonic = monotonic
        self._on_closed = on_closed
        self._person_gone = False
        self.moved = Moved()
        self._passed = {"input": 0, "output": 0}
        self._dropped = {"input": 0, "output": 0}
        self.to_device = Valve(self._pause_person, self._resume_person)
        self.to_person = Valve(self._pause_device, self._resume_device)
        self._congestion = Congestion(self.to_person, self.to_device)
        self._inward = Lane(recording, number, self.to_device)
        self._outward = Lane(recording, number, self.to_person)

    # --- opening ------------------------------------------------------------------------------------------

    async def start(self, connection: DeviceConnection) -> None:
        """Have the device connect to its port, after the opening is in the trace; nothing flows yet.

        Raises ChannelOpenError with the device's refusal, SessionEnded where the session ended meanwhile.
        """
        channel = connection.new_port(WINDOW)
        await channel.start(DevicePort(self), own_name(self.request.host), self.request.port)
        self.device = channel
        if self.over:
            channel.abort()
            raise SessionEnded
        self._congestion.watch(connection)

    def attach(self, person: TunnelChannel) -> None:
        """Take the person's channel, which is open from now on; bytes flow."""
        self.person = person
        connection = person.get_connection()
        if isinstance(connection, FlowControl):
            self._congestion.watch(connection)
        if self.over:
            person.close()

    def flow(self) -> None:
        """Let bytes flow: asyncssh resumes the person's channel by itself, whatever holds it."""
        self.to_device.apply()
        if self.device is not None and not self.to_person.held:
            self.device.resume_reading()

    def _pause_person(self) -> None:
        if self.person is not None:
            self.person.pause_reading()

    def _resume_person(self) -> None:
        if self.person is not None:
            self.person.resume_reading()

    def _pause_device(self) -> None:
        if self.device is not None:
            self.device.pause_reading()

    def _resume_device(self) -> None:
        if self.device is not None and self.person is not None:
            self.device.resume_reading()

    # --- from the person ----------------------------------------------------------------------------------

    @fails_closed
    def sent(self, data: bytes) -> None:
        """Take bytes from the person."""
        if self.over:
            self._dropped["input"] += len(data)
            return
        self._meter.life(self._monotonic())
        self._passed["input"] += len(data)
        self._inward.pass_on([(FrameType.INPUT, data)], partial(self._write_device, data), len(data))

    @fails_closed
    def person_eof(self) -> None:
        """The person sends no more; the device may still answer."""
        self._inward.pass_on([(FrameType.EOF, canonical({"from": "person"}))], self._device_eof)

    @fails_closed
    def person_closed(self) -> None:
        """The person's channel is gone: what it sent before still passes, then the device's closes."""
        self._person_gone = True
        if self.device is None:
            self._closed()
        else:
            self._inward.pass_on((), self._close_device)

    # --- from the device ----------------------------------------------------------------------------------

    @fails_closed
    def answered(self, data: bytes) -> None:
        """Take bytes from the device."""
        if self.over:
            self._dropped["output"] += len(data)
            return
        self._meter.life(self._monotonic())
        self._passed["output"] += len(data)
        self.moved.output(len(data))
        self._outward.pass_on([(FrameType.OUTPUT, data)], partial(self._write_person, data), len(data))

    @fails_closed
    def device_eof(self) -> None:
        """The device sends no more; the person may still send."""
        self._outward.pass_on([(FrameType.EOF, canonical({"from": "device"}))], self._person_eof)

    @fails_closed
    def device_closed(self, error: Exception | None) -> None:
        """The device's channel is gone: the person's closes after all that it said."""
        self._congestion.leave()
        self.device = None
        pieces = [(FrameType.EXIT, canonical({"lost": error is not None, **self._passed}))]
        if any(self._dropped.values()):
            pieces.insert(0, (FrameType.GAP, canonical({"kind": "ended", **self._dropped})))
        self._outward.pass_on(pieces, self._close_person)
        if self._person_gone or self.over:
            self._closed()

    # --- ending from elsewhere ----------------------------------------------------------------------------

    def terminate(self, message: str) -> None:
        """Stop relaying at once and close both channels; a port has no place where *message* could be read."""
        del message
        if self.over:
            return
        self.over = True
        if self.device is not None:
            self.device.abort()
        if self.person is not None:
            self.person.close()

    def warn(self, text: str) -> None:
        """Say nothing: what passes here is somebody's protocol, and *text* would break it."""

    def broke_down(self, error: Exception) -> None:
        """End the session for an error of our own: what follows could pass unrecorded, or not at all."""
        self._recording.fail(error)

    def _closed(self) -> None:
        on_closed, self._on_closed = self._on_closed, _nothing
        on_closed(self)

    # --- the channels, which may be gone ------------------------------------------------------------------

    def _write_device(self, data: bytes) -> None:
        if self.device is not None and self.device.can_write():
            self.device.write(data)

    def _write_person(self, data: bytes) -> None:
        if self.person is not None and not self._person_gone and self.person.can_write():
            self.person.write(data)

    def _device_eof(self) -> None:
        if self.device is not None:
            self.device.write_eof()

    def _person_eof(self) -> None:
        if self.person is not None and not self._person_gone and not self.over:
            self.person.write_eof()

    def _close_device(self) -> None:
        if self.device is not None:
            self.device.close()

    def _close_person(self) -> None:
        self.over = True
        if self.person is not None and not self._person_gone:
            self.person.close()


class PersonPort(asyncssh.SSHTCPSession[bytes]):
    """asyncssh's session of a port on a person's connection."""

    def __init__(self, relay: PortRelay, on_closed: Callable[[], None]) -> None:
        """Tell *relay*; call *on_closed* when the channel is gone."""
        self._relay = relay
        self._on_closed = on_closed

    @override
    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        if not isinstance(chan, TunnelChannel):
            raise TypeError("a port needs a channel with an honest window")
        self._relay.attach(chan)

    @override
    def session_started(self) -> None:
        chan = self._relay.person
        if chan is not None:
            chan.get_loop().call_soon(self._relay.flow)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._on_closed()
        self._relay.person_closed()

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._relay.sent(data)

    @override
    def eof_received(self) -> bool:
        self._relay.person_eof()
        return True  # the other direction stays open (half-close)

    @override
    def pause_writing(self) -> None:
        self._relay.to_person.hold("window")

    @override
    def resume_writing(self) -> None:
        self._relay.to_person.release("window")


class DevicePort(asyncssh.SSHTCPSession[bytes]):
    """asyncssh's session of a port on the device's connection."""

    def __init__(self, relay: PortRelay) -> None:
        """Tell *relay*."""
        self._relay = relay

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.device_closed(exc)

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._relay.answered(data)

    @override
    def eof_received(self) -> bool:
        self._relay.device_eof()
        return True  # the other direction stays open (half-close)

    @override
    def pause_writing(self) -> None:
        self._relay.to_device.hold("window")

    @override
    def resume_writing(self) -> None:
        self._relay.to_device.release("window")


def _nothing(_relay: PortRelay) -> None:
    return None
