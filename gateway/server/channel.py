"""A person's session channel: collects what she asks for, then hands its events to whoever serves it."""

from collections.abc import Callable
from typing import Protocol, cast

import asyncssh
from asyncssh import EXTENDED_DATA_STDERR
from typing_extensions import override

from gateway.server.banners import lines_for
from gateway.session.request import ChannelRequest, Kind, variable_allowed
from gateway.session.valve import Valve
from gateway.sshfix import ClientChannel, PtyRequest

_LATER = cast(bool, None)
"""asyncssh's answer for "not yet": ``ClientChannel.answer`` gives it."""


class Server(Protocol):
    """Whoever takes a channel's events once it is served: a relay, or the menu."""

    to_person: Valve

    def typed(self, data: bytes) -> None:
        """Bytes from the person."""
        ...

    def person_eof(self) -> None:
        """She sends no more."""
        ...

    def resized(self, width: int, height: int, pixel_width: int, pixel_height: int) -> None:
        """Her terminal has another size."""
        ...

    def signalled(self, name: str) -> None:
        """She sends a signal."""
        ...

    def broke(self, milliseconds: int) -> None:
        """She sends a break."""
        ...

    def person_hung_up(self) -> None:
        """She closed her channel; it takes an exit status still."""
        ...

    def person_closed(self) -> None:
        """Her channel is gone."""
        ...


class PersonChannel(asyncssh.SSHServerSession[bytes]):
    """asyncssh's session of one channel. ``notices`` are lines to tell on standard error once it is open."""

    def __init__(
        self,
        on_request: Callable[["PersonChannel", ChannelRequest], None],
        on_refused: Callable[["PersonChannel", str], None],
        on_closed: Callable[["PersonChannel"], None],
    ) -> None:
        """Tell of the request, of refused forwardings, and of the channel's end."""
        self._on_request = on_request
        self._on_refused = on_refused
        self._on_closed = on_closed
        self._pty: PtyRequest | None = None
        self._channel: ClientChannel | None = None
        self._answered = False
        self.server: Server | None = None
        self.notices: list[str] = []
        self.closed = False

    @property
    def channel(self) -> ClientChannel:
        """The channel; raises RuntimeError before asyncssh has opened it."""
        if self._channel is None:
            raise RuntimeError("the channel is not open yet")
        return self._channel

    @property
    def terminal(self) -> PtyRequest | None:
        """The terminal she asked for, with its present size."""
        if self._pty is None:
            return None
        return PtyRequest(self._pty.term, self.channel.get_terminal_size(), self._pty.modes)

    # --- asyncssh's callbacks -----------------------------------------------------------------------------

    @override
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = cast(ClientChannel, chan)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._on_closed(self)
        if self.server is not None:
            self.server.person_closed()

    @override
    def pty_requested(
        self,
        term_type: str,
        term_size: tuple[int, int, int, int],
        term_modes: "asyncssh.misc.MaybeAwait[object] | object",
    ) -> bool:
        modes = cast(dict[int, int], term_modes)
        self._pty = PtyRequest(term_type[:64], term_size, dict(modes))
        return True

    @override
    def shell_requested(self) -> bool:
        return self._ask("shell", b"")

    @override
    def exec_requested(self, command: str) -> bool:
        return self._ask("exec", command.encode("utf-8", "surrogateescape"))

    @override
    def subsystem_requested(self, subsystem: str) -> bool:
        return self._ask("subsystem", subsystem.encode("ascii", "replace"))

    def _ask(self, kind: Kind, argument: bytes) -> bool:
        request = ChannelRequest(
            kind=kind,
            argument=argument,
            pty=self.terminal,
            environment=dict(self.channel.get_environment_bytes()),
        )
        self._on_request(self, request)
        return _LATER

    def environment_allowed(self, name: bytes) -> bool:
        """Tell whether the variable is passed on."""
        return variable_allowed(name)

    def forwarding_refused(self, kind: str) -> None:
        """A key agent or a display was refused on this channel."""
        self._on_refused(self, kind)

    def peer_closed(self) -> None:
        """She closed her channel."""
        if self.server is not None:
            self.server.person_hung_up()
        else:
            self.channel.close()

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self.server is not None:
            self.server.typed(data)

    @override
    def eof_received(self) -> bool:
        if self.server is not None:
            self.server.person_eof()
        return True  # the other direction stays open (half-close)

    @override
    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self.server is not None:
            self.server.resized(width, height, pixwidth, pixheight)

    @override
    def signal_received(self, signal: str) -> None:
        if self.server is not None:
            self.server.signalled(signal)

    @override
    def break_received(self, msec: int) -> bool:
        if self.server is None:
            return False
        self.server.broke(msec)
        return True

    @override
    def pause_writing(self) -> None:
        if self.server is not None:
            self.server.to_person.hold("window")

    @override
    def resume_writing(self) -> None:
        if self.server is not None:
            self.server.to_person.release("window")

    # --- what a server of the channel does ----------------------------------------------------------------

    def accept(self) -> None:
        """Answer the request with success, once, and tell the notices."""
        if self._answered or self.closed:
            return
        self._answered = True
        self.channel.answer(accepted=True)
        for notice in self.notices:
            self.tell(notice)
        self.notices.clear()

    def decline(self) -> None:
        """Answer the request with failure, as a device would, and close nothing: the person does."""
        if not self._answered and not self.closed:
            self._answered = True
            self.channel.answer(accepted=False)

    def tell(self, text: str) -> None:
        """Write *text* to standard error; before the channel is open, keep it for then."""
        if not self._answered:
            self.notices.append(text)
        elif not self.closed and self.channel.can_write():
            self.channel.write(lines_for(text, terminal=self._pty is not None), EXTENDED_DATA_STDERR)

    def write(self, data: bytes) -> None:
        """Write *data* to standard output if that still goes."""
        if not self.closed and self.channel.can_write():
            self.channel.write(data)

    def refuse(self, text: str, status: int = 1) -> None:
        """End the channel with *text* on standard error and a non-zero exit *status*."""
        self.accept()
        self.tell(text)
        self.leave(status)

    def leave(self, status: int) -> None:
        """End the channel with an exit *status*."""
        if not self.closed:
            self.channel.exit(status)
