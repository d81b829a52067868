"""How SSH is spoken with devices."""

from typing import Any

import asyncssh

from gateway.errors import DeviceMisdescribed
from gateway.sshfix.algorithms import COMPRESSION, ENCRYPTION, KEX, MAC
from policy.domain.devices import Algorithms


async def device_options(
    address: str, port: int, algorithms: Algorithms, **more: Any
) -> asyncssh.SSHClientConnectionOptions:
    """Return how SSH is spoken with a device, and *more* of asyncssh's options: nothing of the service account's own files.

    *algorithms* are the exceptions of an old device. Raises DeviceMisdescribed.
    """
    try:
        options: asyncssh.SSHClientConnectionOptions = await asyncssh.SSHClientConnectionOptions.construct(
            None,
            config=None,  # never ~/.ssh/config of the service account
            host=address,
            port=port,
            agent_path=None,
            gss_host=None,
            kex_algs=list(algorithms.kex or KEX),
            encryption_algs=list(algorithms.encryption or ENCRYPTION),
            mac_algs=list(algorithms.mac or MAC),
            compression_algs=list(COMPRESSION),
            client_version="Ecluse",
            **more,
        )
    except ValueError as unknown:  # asyncssh knows no algorithm of that name
        raise DeviceMisdescribed(str(unknown)) from unknown
    return options
