"""How SSH is spoken with people's clients."""

from collections.abc import Callable

import asyncssh

from gateway.server.doorkeeper import VERSION
from gateway.server.front import Front
from gateway.server.host_keys import HostKeys
from gateway.settings import GatewaySettings
from gateway.sshfix.algorithms import COMPRESSION, ENCRYPTION, KEX, MAC, SIGNATURE

KEEPALIVE_SECONDS = 15
KEEPALIVES_MISSED = 3
"""A client that is silent is asked this often, and lost after so many questions without an answer."""


async def server_options(
    settings: GatewaySettings, host_keys: HostKeys, factory: Callable[[], Front]
) -> asyncssh.SSHServerConnectionOptions:
    """Return how SSH is spoken with people's clients: nothing of asyncssh's own files, agents, displays or copies."""
    options: asyncssh.SSHServerConnectionOptions = await asyncssh.SSHServerConnectionOptions.construct(
        None,
        config=None,
        server_factory=factory,
        server_host_keys=host_keys.own(),
        server_version=VERSION,
        kex_algs=list(KEX),
        encryption_algs=list(ENCRYPTION),
        mac_algs=list(MAC),
        signature_algs=list(SIGNATURE),
        compression_algs=list(COMPRESSION),
        login_timeout=settings.login_grace_seconds,
        keepalive_interval=KEEPALIVE_SECONDS,
        keepalive_count_max=KEEPALIVES_MISSED,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        gss_host=None,
        allow_scp=False,
    )
    return options
