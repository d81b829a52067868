"""The device's channel of a relay, as asyncssh calls it."""

from typing import Protocol

import asyncssh
from typing_extensions import override

from gateway.session.valve import Valve

ExitSignal = tuple[str, bool, str, str]
"""Name, core dumped, message, language (RFC 4254 section 6.10)."""


class DeviceEvents(Protocol):
    """Whoever takes the events of the device's channel."""

    to_device: Valve

    def shown(self, data: bytes, *, error: bool) -> None:
        """Output, or error output."""
        ...

    def device_eof(self) -> None:
        """No more output."""
        ...

    def exited(self, how: int | ExitSignal) -> None:
        """The process ended, with a status or by a signal."""
        ...

    def flow_control(self, client_can_do: bool) -> None:
        """The device says who handles Ctrl-S and Ctrl-Q (RFC 4254 section 6.8)."""
        ...

    def device_closed(self, error: Exception | None) -> None:
        """The channel is gone."""
        ...


class DeviceSide(asyncssh.SSHClientSession[bytes]):
    """Hands asyncssh's callbacks of the device's channel to the relay."""

    def __init__(self, relay: DeviceEvents) -> None:
        """Tell *relay*."""
        self._relay = relay

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._relay.shown(data, error=datatype is not None)

    @override
    def eof_received(self) -> bool:
        self._relay.device_eof()
        return True  # the other direction stays open (half-close)

    @override
    def exit_status_received(self, status: int) -> None:
        self._relay.exited(status)

    @override
    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._relay.exited((signal, core_dumped, msg, lang))

    @override
    def xon_xoff_requested(self, client_can_do: bool) -> None:
        self._relay.flow_control(client_can_do)

    @override
    def pause_writing(self) -> None:
        self._relay.to_device.hold("window")

    @override
    def resume_writing(self) -> None:
        self._relay.to_device.release("window")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.device_closed(exc)


def exit_facts(how: int | ExitSignal | None, error: Exception | None) -> dict[str, object]:
    """Return what an EXIT frame says of a process that ended as *how*, None where the device never said."""
    if isinstance(how, int):
        return {"status": how}
    if how is not None:
        signal, core_dumped, message, language = how  # all of it reaches the person
        told = {"message": message, "language": language} if message or language else {}
        return {"signal": signal, "core_dumped": core_dumped, **told}
    return {"lost": error is not None}
