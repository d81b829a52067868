"""One channel of a session: the person's, its twin on the device, and the trace between them."""

from collections.abc import Callable
from functools import partial

from asyncssh import EXTENDED_DATA_STDERR

from gateway.errors import SessionEnded
from gateway.ports import Recording
from gateway.session.congestion import Congestion
from gateway.session.device_side import DeviceSide, ExitSignal, exit_facts
from gateway.session.fail_closed import fails_closed
from gateway.session.idle import IdleMeter
from gateway.session.lane import Lane, Piece
from gateway.session.moved import Moved
from gateway.session.parting import Parting
from gateway.session.request import ChannelRequest
from gateway.session.taps import Tap, Watch
from gateway.session.transfer.operation import OUT, FileOperation, Phase
from gateway.session.transfer.sftp_wire import SftpViolation
from gateway.session.valve import Valve
from gateway.sshfix import ClientChannel, DeviceChannel, DeviceConnection, FlowControl
from policy.domain.windows import Channel
from recorder.trace.frames import FrameType, canonical

TERMINAL_WINDOW = 128 * 1024
DATA_WINDOW = 2 * 1024 * 1024
"""Bytes a device may send ahead: few on a terminal, so that an interrupt is soon seen to work."""

_BOTH = 2


class Relay:
    """Relays bytes both ways, each recorded before it passes, with back-pressure from end to end.

    ``exit`` is the process's exit status, or its exit signal (name, core dumped, message, language), or
    None while it runs.
    """

    def __init__(
        self,
        *,
        recording: Recording,
        number: int,
        person: ClientChannel,
        request: ChannelRequest,
        meter: IdleMeter,
        monotonic: Callable[[], float],
        on_closed: Callable[["Relay"], None],
        on_violation: Callable[["Relay"], None],
        is_ending: Callable[[], bool],
    ) -> None:
        """Bridge *person*; call *on_closed* once both channels are gone, *on_violation* for a bad transfer.

        *is_ending* tells whether the session is being ended: whoever does that has the last word to the person.
        """
        self.number = number
        self.person = person
        self.request = request
        self.device: DeviceChannel | None = None
        self.exit: int | ExitSignal | None = None
        self.directions: frozenset[Channel] = frozenset()
        self.tap: Tap | None = None
        self.watch: Watch | None = None
        self.moved = Moved()
        self.over = False
        self._recording = recording
        self._meter = meter
        self._monotonic = monotonic
        self._on_closed = on_closed
        self._on_violation = on_violation
        self._is_ending = is_ending
        self._parting: Parting | None = None
        self._person_gone = False
        self._started = False
        self._ends_of_file = 0
        self._noted: list[Piece] = []
        self._dropped = {"input": 0, "output": 0}
        self._home = _flow(person)
        self.to_device = Valve(person.pause_reading, person.resume_reading)
        self.to_person = Valve(self._pause_device, self._resume_device)
        self._congestion = Congestion(self.to_person, self.to_device)
        self._inward = Lane(recording, number, self.to_device)
        self._outward = Lane(recording, number, self.to_person)

    # --- opening ------------------------------------------------------------------------------------------

    async def start(self, connection: DeviceConnection) -> None:
        """Open the twin on *connection* and request the same of it, after the request is in the trace.

        Raises ChannelOpenError with the device's refusal, SessionEnded where the person has left meanwhile;
        ``resume`` lets the bytes flow.
        """
        window = DATA_WINDOW if self.request.pty is None else TERMINAL_WINDOW
        channel = connection.new_channel(window)
        await channel.start(
            DeviceSide(self),
            self.request.kind,
            self.request.argument,
            environment=self.request.environment,
            pty=self.request.pty,
        )
        self.device = channel
        if self.over:
            # the person left, or the session ended, while the device was asked: nobody waits for it
            self._signal("HUP")
            self._signal("TERM")
            channel.close()
            raise SessionEnded
        self._congestion.watch(self._home)
        self._congestion.watch(connection)

    def resume(self) -> None:
        """Let bytes flow, after the person's request was answered (the answer resumes reading by itself)."""
        self._started = True
        if self.to_device.held:
            self.to_device.apply()
        else:
            self.person.resume_reading()
        if self.device is not None and not self.to_person.held:
            self.device.resume_reading()

    def _pause_device(self) -> None:
        if self.device is not None:
            self.device.pause_reading()

    def _resume_device(self) -> None:
        if self.device is not None and self._started:
            self.device.resume_reading()

    # --- from the person ----------------------------------------------------------------------------------

    @fails_closed
    def typed(self, data: bytes) -> None:
        """Take bytes from the person."""
        if self.over:
            self._dropped["input"] += len(data)
            return
        self._meter.life(self._monotonic())
        if self.tap is not None:
            self._tapped(self.tap, data)
            return
        if self.request.pty is None:
            pieces: list[Piece] = [(FrameType.INPUT, data)]
        else:
            if self.watch is not None:
                self.watch.typed(data)
            pieces = [*self._take_noted(), (FrameType.INPUT, canonical({"length": len(data)}))]
        self._inward.pass_on(pieces, partial(self._write_device, data), len(data))

    def _tapped(self, tap: Tap, data: bytes) -> None:
        try:
            onward, back = tap.from_client(data)
        except SftpViolation as violation:
            self._violated(violation)
            return
        pieces = self._take_noted()
        if not getattr(tap, "parsed", True):
            pieces.append((FrameType.INPUT, data))  # no longer understood: kept as what it is, data

        def forward() -> None:
            self._write_device(onward)
            if back:
                self._outward.pass_on((), partial(self._write_person, back))

        self._inward.pass_on(pieces, forward, len(data))

    @fails_closed
    def person_eof(self) -> None:
        """The person sends no more."""
        self._ends_of_file += 1
        self._inward.pass_on([(FrameType.EOF, canonical({"from": "person"}))], self._device_eof)

    @fails_closed
    def resized(self, width: int, height: int, pixel_width: int, pixel_height: int) -> None:
        """The person's terminal has another size."""
        facts = {"columns": width, "rows": height}
        if pixel_width or pixel_height:  # they reach the device, so that the trace must have them
            facts |= {"pixel_width": pixel_width, "pixel_height": pixel_height}

        def forward() -> None:
            if self.device is not None:
                self.device.change_terminal_size(width, height, pixel_width, pixel_height)

        self._inward.pass_on([(FrameType.RESIZE, canonical(facts))], forward)

    @fails_closed
    def signalled(self, name: str) -> None:
        """The person sends the process a signal."""
        self._meter.life(self._monotonic())
        self._inward.pass_on([(FrameType.SIGNAL, canonical({"signal": name}))], partial(self._signal, name))

    @fails_closed
    def broke(self, milliseconds: int) -> None:
        """The person sends a break (RFC 4335)."""
        self._meter.life(self._monotonic())

        def forward() -> None:
            if self.device is not None:
                self.device.send_break(milliseconds)

        self._inward.pass_on([(FrameType.BREAK, canonical({"milliseconds": milliseconds}))], forward)

    def person_hung_up(self) -> None:
        """She closed her channel. After both ends of file she only waits for the exit status; else she leaves."""
        if self._ends_of_file < _BOTH:
            self.signal_end()

    def person_closed(self) -> None:
        """The person's channel is gone; a process that still runs is told to end, with or without terminal."""
        self._person_gone = True
        self.over = True
        self.signal_end()
        if self.device is None:
            self._closed()

    # --- from the device ----------------------------------------------------------------------------------

    def exited(self, how: int | ExitSignal) -> None:
        """The process ended; data may still follow."""
        self.exit = how

    @fails_closed
    def shown(self, data: bytes, *, error: bool) -> None:
        """Take output from the device."""
        if self.over:
            self._dropped["output"] += len(data)
            return
        self.moved.output(len(data))
        now = self._monotonic()
        if self.request.pty is None:
            self._meter.life(now)
        else:
            self._meter.output(now)
            if self.watch is not None and not error:
                self.watch.shown(data)
        datatype = EXTENDED_DATA_STDERR if error else None
        kind = FrameType.ERROR_OUTPUT if error else FrameType.OUTPUT
        onward = data
        if self.tap is not None and not error:
            try:
                onward = self.tap.from_device(data)
            except SftpViolation as violation:
                self._violated(violation)
                return
            pieces = self._take_noted()
            if not getattr(self.tap, "parsed", True):
                pieces.append((kind, data))
        else:
            pieces = [*self._take_noted(), (kind, data)]
        self._outward.pass_on(pieces, partial(self._write_person, onward, datatype), len(data))

    def flow_control(self, client_can_do: bool) -> None:
        """Pass on who handles Ctrl-S and Ctrl-Q."""
        if not self._person_gone:
            self.person.set_xon_xoff(client_can_do)

    @fails_closed
    def device_eof(self) -> None:
        """The device sends no more."""
        self._ends_of_file += 1
        self._outward.pass_on([(FrameType.EOF, canonical({"from": "device"}))], self._person_eof)

    @fails_closed
    def device_closed(self, error: Exception | None) -> None:
        """The device's channel is gone: tell the person how the process ended, after all it said."""
        self._congestion.leave()
        self.device = None
        if self._parting is not None:
            self._parting.over()
        if self.tap is not None:
            self.tap.end()
        if self.watch is not None:
            self.watch.end()
        if any(self._dropped.values()):
            self.miss("ended", **self._dropped)
        pieces = [*self._take_noted(), (FrameType.EXIT, canonical(exit_facts(self.exit, error)))]
        self._outward.pass_on(pieces, self._finish)
        if self._person_gone or self.over:
            self._closed()

    def _finish(self) -> None:
        if self.over or (self.exit is None and self._is_ending()):
            return  # a device that was lost: why is told by `terminate`, before her channel closes
        self.over = True
        if isinstance(self.exit, int):
            self.person.exit(self.exit)
        elif self.exit is not None:
            self.person.exit_with_signal(*self.exit)
        else:
            self.person.close()

    # --- ending from elsewhere ----------------------------------------------------------------------------

    def note(self, operation: FileOperation) -> None:
        """Keep a file operation; it is written before the bytes that it is about pass."""
        if operation.phase is Phase.DONE and operation.direction in OUT and operation.size:
            self.moved.file()
        self._noted.append((FrameType.FILE, operation.payload()))

    def miss(self, kind: str, **facts: object) -> None:
        """Keep that something is not stored (FORMAT.md, Gap); it is written before the next bytes pass."""
        self._noted.append((FrameType.GAP, canonical({"kind": kind, **facts})))

    def mark(self, facts: dict[str, object]) -> None:
        """Keep a marker; it is written before the next bytes pass."""
        self._noted.append((FrameType.MARKER, canonical(facts)))

    def signal_end(self) -> None:
        """Have the process end, and then the device's channel: signals and the end of its input, once."""
        if self.device is not None and self._parting is None:
            self._parting = Parting(self.device)
            if self.over:
                self.device.resume_reading()  # what it still says is dropped; unread, it could not close

    def terminate(self, message: str) -> None:
        """Stop relaying at once: signals to the process, *message* to the person, her channel closed.

        The device's channel stays until its process ends, or has had its time.
        """
        if self.over:
            return
        self.over = True
        self.signal_end()
        self.say(message)
        self.person.exit(255)

    def say(self, text: str) -> None:
        """Write *text* to the person: into her terminal if she has one, else to standard error."""
        if self.request.pty is not None:
            lines = text.replace("\n", "\r\n")
            self._write_person(f"\r\n\x1b[7m{lines}\x1b[0m\r\n".encode())
        else:
            self._write_person(f"{text}\n".encode(), EXTENDED_DATA_STDERR)

    def greet(self, text: str) -> None:
        """Write the welcome on her terminal, before anything of the device's."""
        self._write_person(text.replace("\n", "\r\n").encode() + b"\r\n")

    @fails_closed
    def warn(self, text: str) -> None:
        """Write *text* to the person once it is in the trace."""
        self._outward.pass_on([(FrameType.WARNING, canonical({"text": text}))], partial(self.say, text))

    def broke_down(self, error: Exception) -> None:
        """End the session for an error of our own: what follows could pass unrecorded, or not at all."""
        self._recording.fail(error)

    def _violated(self, violation: SftpViolation) -> None:
        self.mark({"kind": "protocol", "detail": str(violation)[:200]})
        self._outward.pass_on(self._take_noted(), partial(self._on_violation, self))

    def _closed(self) -> None:
        on_closed, self._on_closed = self._on_closed, _nothing
        on_closed(self)

    # --- the channels, which may be gone ------------------------------------------------------------------

    def _take_noted(self) -> list[Piece]:
        noted, self._noted = self._noted, []
        return noted

    def _write_device(self, data: bytes) -> None:
        if data and self.device is not None and self.device.can_write():
            self.device.write(data)

    def _write_person(self, data: bytes, datatype: int | None = None) -> None:
        if data and not self._person_gone and self.person.can_write():
            self.person.write(data, datatype)

    def _device_eof(self) -> None:
        if self.device is not None:
            self.device.write_eof()

    def _person_eof(self) -> None:
        if not self._person_gone and not self.over:
            self.person.write_eof()

    def _signal(self, name: str) -> None:
        if self.device is not None:
            self.device.send_signal(name)


def _nothing(_relay: Relay) -> None:
    return None


def _flow(channel: ClientChannel) -> FlowControl:
    connection = channel.get_connection()
    if not isinstance(connection, FlowControl):
        raise TypeError("a relay needs connections with flow control")
    return connection
