"""Asking a device which host keys it shows, so that somebody can compare them before any is pinned."""

import asyncio

import asyncssh

from gateway.errors import DeviceHungUp, DeviceUnreachable, NoCommonAlgorithm
from gateway.sshfix.algorithms import KEX
from gateway.target.options import device_options
from policy.domain.devices import Algorithms

_FAMILIES = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256",),
    ("ecdsa-sha2-nistp384",),
    ("ecdsa-sha2-nistp521",),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""One key exchange for each: a server shows one key at a time, of a kind that both sides know."""


async def fetch(
    address: str,
    port: int,
    source_address: str | None,
    algorithms: Algorithms,
    *,
    timeout: float = 10.0,
) -> list[str]:
    """Return the public lines (``ssh-ed25519 AAAA…``) of the host keys that a device shows.

    Only keys are exchanged: no name is sent and nobody is authenticated. *algorithms* are the exceptions of an
    old device, *source_address* the address to dial from, *timeout* the seconds given to all of it. Nothing
    here is proof: whoever answers at that address says so. Raises DeviceUnreachable, DeviceHungUp,
    DeviceMisdescribed, NoCommonAlgorithm.
    """
    options = await device_options(
        address, port, algorithms, username="", client_keys=None, server_host_key_algs=algorithms.host_key
    )
    lines: dict[str, None] = {}
    failure: Exception = asyncssh.KeyExchangeFailed("the device shows no host key that is known here")
    families = [*_FAMILIES, *((name,) for name in algorithms.host_key)]
    try:
        async with asyncio.timeout(timeout):
            for names in dict.fromkeys(families):
                try:
                    key = await asyncssh.get_server_host_key(
                        address,
                        port,
                        options=options,
                        config=None,
                        local_addr=() if source_address is None else (source_address, 0),
                        kex_algs=list(algorithms.kex or KEX),
                        server_host_key_algs=list(names),
                        client_version="Ecluse",
                    )
                except asyncssh.Error as refused:  # no key of this kind, most often
                    failure = refused
                    continue
                if key is not None:
                    lines[key.export_public_key("openssh").decode("ascii").strip()] = None
    except OSError as error:  # TimeoutError is one
        if not lines and isinstance(error, ConnectionResetError):
            raise DeviceHungUp("the device takes the connection and resets it") from error
        if not lines:
            raise DeviceUnreachable(str(error) or "the device did not answer in time") from error
    if not lines and isinstance(failure, asyncssh.ConnectionLost):
        raise DeviceHungUp("the device takes the connection and closes it before it shows a key")
    if not lines and isinstance(failure, asyncssh.KeyExchangeFailed):
        raise NoCommonAlgorithm(f"no algorithm in common: {failure}")
    if not lines:
        raise DeviceUnreachable(str(failure))
    return list(lines)
