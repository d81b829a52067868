"""Whether the other end of a TCP connection is still there: asked by the system, which costs this process nothing."""

import socket
from typing import Final

_ASKED: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
"""Seconds, seconds, times and milliseconds: a quiet connection that a firewall forgot, or a dead host, is noticed
within a minute, and within twenty seconds when something was said to it."""


def keep_alive(connection: socket.socket) -> None:
    """Have the system ask now and then whether the other end is still there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ASKED.items():
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
