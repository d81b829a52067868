"""Ports for servers that are started a while after their settings were written."""

import os
import secrets
import socket
from collections import deque
from pathlib import Path
from typing import Final

_HOST: Final = "127.0.0.1"
_GIVEN_AWAY: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST: Final = 10240
_FEWEST: Final = 10000
_HELD: Final = 64
_claims: Final[deque[int]] = deque()
"""Descriptors: they are given up with the process, and nobody has to close them."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that nobody else is given before it is taken.

    It is none of those that the kernel gives to outgoing connections: such a one is another's the moment it is let go.
    While it is among the last that this process asked for, no other process gets it by this function.
    """
    beyond = int(_GIVEN_AWAY.read_text().split()[0])
    while True:
        port = _FIRST + secrets.randbelow(max(beyond - _FIRST, _FEWEST))
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0ecluse-port-{port}")
            with socket.socket() as probe:
                probe.bind((_HOST, port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim.detach())
        if len(_claims) > _HELD:
            os.close(_claims.popleft())
        return port
