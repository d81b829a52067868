"""The connection to a device, made from our own class."""

import asyncio

from asyncssh import SSHClientConnection, SSHClientConnectionOptions

from gateway.sshfix.channels import DeviceChannel
from gateway.sshfix.flow import FlowControl

MAX_PACKET = 32768


class DeviceConnection(FlowControl, SSHClientConnection):
    """asyncssh's client connection with back-pressure and our channels."""

    def new_channel(self, window: int) -> DeviceChannel:
        """Make a channel, not yet opened, that grants *window* bytes."""
        self._update_recv_pktlen(MAX_PACKET)
        return DeviceChannel(self, self._loop, "replace", None, "strict", window, MAX_PACKET)


async def connect(
    options: SSHClientConnectionOptions,
    *,
    local_address: str | None,
) -> DeviceConnection:
    """Connect and authenticate with *options*; ``asyncssh.connect`` cannot be given a class.

    Raises OSError where the address does not answer, asyncssh.Error where the dialogue fails.
    The connection is aborted when the caller is cancelled.
    """
    loop = asyncio.get_running_loop()
    options.waiter = loop.create_future()
    _, connection = await loop.create_connection(
        lambda: DeviceConnection(loop, options, wait="auth"),
        options.host,
        options.port,
        local_addr=None if local_address is None else (local_address, 0),
    )
    try:
        await options.waiter
    except BaseException:
        connection.abort()
        raise
    return connection
