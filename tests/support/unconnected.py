"""A server's connection that nobody is connected to: a test hands it what a peer would have sent."""

import asyncio
from typing import Any

import asyncssh


async def unconnected(kind: type[asyncssh.SSHServerConnection]) -> Any:
    """Return a connection of *kind* before its peer; Any, for tests look into what asyncssh keeps to itself."""
    options = await asyncssh.SSHServerConnectionOptions.construct(
        None,
        config=None,
        server_factory=asyncssh.SSHServer,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        gss_host=None,
        login_timeout=None,
    )
    return kind(asyncio.get_running_loop(), options)
