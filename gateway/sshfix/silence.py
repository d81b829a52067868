"""No log line a packet: wording it costs as much as a cipher, and at asyncssh's level 3 it holds passwords."""

from asyncssh.connection import SSHConnection
from asyncssh.logging import SSHLogger
from asyncssh.packet import SSHPacketLogger
from typing_extensions import override


class Unlogged(SSHPacketLogger):
    """Mixin of whatever handles packets: does not even word the line."""

    @override
    def _log_packet(self, *arguments: object, **named: object) -> None:
        pass


class _Discreet(SSHLogger):
    """Logs everything but packets; so do the loggers made of it for channels, key exchange and log-in."""

    @override
    def packet(self, *arguments: object, **named: object) -> None:
        pass


class Discreet(Unlogged, SSHConnection):
    """Mixin, placed before asyncssh's own class: no packet is logged, whatever the level."""

    @property
    @override
    def logger(self) -> SSHLogger:
        """A logger associated with this connection, without its packets."""
        known = self._logger
        if not isinstance(known, _Discreet):
            known = _Discreet(known._logger, context=known._context)  # noqa: SLF001 - a copy has no other way
            self._logger = known
        return known
