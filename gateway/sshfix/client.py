"""The connection to a device, made from our own class."""

import asyncio

from asyncssh import SSHClientConnection, SSHClientConnectionOptions
from asyncssh.constants import MSG_IGNORE
from asyncssh.packet import SSHPacket, SSHPacketLogger
from typing_extensions import override

from gateway.liveness import keep_alive
from gateway.sshfix.channels import DeviceChannel, PortChannel
from gateway.sshfix.flow import FlowControl

MAX_PACKET = 32768
KEX_COOKIE_BYTES = 16


class DeviceConnection(FlowControl, SSHClientConnection):
    """asyncssh's client connection with back-pressure and our channels.

    ``spared_ignore``: the device breaks on SSH_MSG_IGNORE, and gets none whatever the cipher.
    """

    spared_ignore = False

    @property
    def host_keys_offered(self) -> tuple[str, ...]:
        """The kinds of host keys that the device says it has, none before it said so.

        A server that has no kind in common with us hangs up, and the library does not tell what it offered.
        """
        if not self._server_kexinit:
            return ()
        offer = SSHPacket(self._server_kexinit)
        offer.get_byte()
        offer.get_bytes(KEX_COOKIE_BYTES)
        offer.get_namelist()
        return tuple(kind.decode("ascii", "replace") for kind in offer.get_namelist())

    @override
    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Send one packet, but no SSH_MSG_IGNORE to a device that breaks on it."""
        if pkttype == MSG_IGNORE and self.spared_ignore:
            return
        super().send_packet(pkttype, *args, handler=handler)

    def new_channel(self, window: int) -> DeviceChannel:
        """Make a channel, not yet opened, that grants *window* bytes."""
        self._update_recv_pktlen(MAX_PACKET)
        return DeviceChannel(self, self._loop, "replace", None, "strict", window, MAX_PACKET)

    def new_port(self, window: int) -> PortChannel:
        """Make a channel for one of the device's ports, not yet opened, that grants *window* bytes."""
        self._update_recv_pktlen(MAX_PACKET)
        return PortChannel(self, self._loop, None, "strict", window, MAX_PACKET)


async def connect(
    options: SSHClientConnectionOptions,
    *,
    local_address: str | None,
    spared_ignore: bool = False,
) -> DeviceConnection:
    """Connect and authenticate with *options*; ``asyncssh.connect`` cannot be given a class.

    *spared_ignore* as in ``DeviceConnection``. Raises OSError where the address does not answer, asyncssh.Error where the dialogue fails.
    The connection is aborted when the caller is cancelled.
    """
    loop = asyncio.get_running_loop()
    options.waiter = loop.create_future()

    def made() -> DeviceConnection:
        connection = DeviceConnection(loop, options, wait="auth")
        connection.spared_ignore = spared_ignore
        return connection

    transport, connection = await loop.create_connection(
        made,
        options.host,
        options.port,
        local_addr=None if local_address is None else (local_address, 0),
    )
    try:
        keep_alive(transport.get_extra_info("socket"))
        await options.waiter
    except BaseException:
        connection.abort()
        raise
    return connection
