"""Dialling a device: pinned host keys, the vaulted secret, the zone's source address, and nothing else."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import asyncssh
from typing_extensions import override

from gateway.errors import (
    DeviceError,
    DeviceUnreachable,
    HostKeyChanged,
    NoCommonAlgorithm,
    SecretRefused,
)
from gateway.ports import Vault
from gateway.sshfix import DeviceConnection, connect
from gateway.sshfix.algorithms import COMPRESSION, ENCRYPTION, KEX, MAC, SIGNATURE
from policy.domain.access import Grant
from policy.domain.devices import AccountMethod
from policy.domain.tasks import TaskGrant
from policy.errors import VaultError
from policy.vault.credentials import Credential

KEEPALIVE_SECONDS = 15
KEEPALIVE_COUNT = 3

OnLost = Callable[[Exception | None], None]


class _DeviceOwner(asyncssh.SSHClient):
    """Tells when the connection is gone; trusts no host key of its own accord."""

    def __init__(self, on_lost: OnLost) -> None:
        self._on_lost = on_lost

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(exc)


class Dialler:
    """Connects to devices on the strength of a grant, and of nothing else (invariant 1)."""

    def __init__(self, vault: Vault, timeout: float) -> None:
        """Ask *vault* for secrets; give a device *timeout* seconds to let us in."""
        self._vault = vault
        self._timeout = timeout

    async def dial(self, grant: Grant | TaskGrant, on_lost: OnLost) -> DeviceConnection:
        """Connect to the device of *grant* under its account; *on_lost* is called when the connection ends.

        Raises HostKeyChanged, SecretRefused, NoCommonAlgorithm, DeviceUnreachable; PolicyUnavailable from the vault.
        """
        keys = pinned(grant.host_keys)
        try:
            credential = await self._vault.release(grant)
        except VaultError as error:
            raise SecretRefused(f"the vault does not open: {error}") from error
        options = await asyncssh.SSHClientConnectionOptions.construct(
            None, **_options(grant, credential, keys, self._timeout, on_lost)
        )
        try:
            async with asyncio.timeout(self._timeout):
                return await connect(options, local_address=grant.source_address)
        except (OSError, asyncssh.Error) as error:  # TimeoutError is an OSError
            raise _meaning(error) from error


def pinned(lines: Sequence[str]) -> list[asyncssh.SSHKey]:
    """Return the pinned host keys of a device; raises HostKeyChanged where there is none.

    asyncssh takes an empty list for "read ~/.ssh/known_hosts": there must be no such call.
    """
    try:
        keys = [asyncssh.import_public_key(line) for line in lines]
    except asyncssh.KeyImportError as error:
        raise HostKeyChanged(f"a pinned host key cannot be read: {error}") from error
    if not keys:
        raise HostKeyChanged("no host key is pinned for this device")
    return keys


def _options(
    grant: Grant | TaskGrant,
    credential: Credential,
    keys: list[asyncssh.SSHKey],
    timeout: float,
    on_lost: OnLost,
) -> dict[str, Any]:
    algorithms = grant.algorithms
    host_key_algorithms = algorithms.host_key or _modern(keys)
    by_password = credential.method is AccountMethod.PASSWORD
    secret = credential.secret.reveal()
    return {
        "config": None,  # never ~/.ssh/config of the service account
        "host": grant.address,
        "port": grant.port,
        "username": _account_name(grant),
        "client_factory": lambda: _DeviceOwner(on_lost),
        "known_hosts": lambda _host, _address, _port: (keys, [], []),
        "server_host_key_algs": list(host_key_algorithms),
        "x509_trusted_certs": None,
        "client_keys": None if by_password else [_client_key(secret, credential.certificate)],
        "password": secret if by_password else None,
        "preferred_auth": "password,keyboard-interactive" if by_password else "publickey",
        "agent_path": None,
        "agent_forwarding": False,
        "gss_host": None,
        "host_based_auth": False,
        "kex_algs": list(algorithms.kex or KEX),
        "encryption_algs": list(algorithms.encryption or ENCRYPTION),
        "mac_algs": list(algorithms.mac or MAC),
        "signature_algs": list(dict.fromkeys((*SIGNATURE, *algorithms.host_key))),
        "compression_algs": list(COMPRESSION),
        "client_version": "Ecluse",
        "login_timeout": timeout,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_COUNT,
    }


def _client_key(
    private: str, certificate: str | None
) -> asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
    """Return what to log in with: with a certificate, never the bare key as well."""
    key = asyncssh.import_private_key(private)
    return key if certificate is None else (key, asyncssh.import_certificate(certificate))


def _account_name(grant: Grant | TaskGrant) -> str:
    if isinstance(grant, Grant):
        return grant.account_name
    if grant.account is None:
        raise SecretRefused("this task logs in nowhere")
    return grant.account.name


def _modern(keys: list[asyncssh.SSHKey]) -> list[str]:
    """Return the signatures the pinned keys can make, SHA-1 left out."""
    offered = (name.decode("ascii") for key in keys for name in key.sig_algorithms)
    return [name for name in dict.fromkeys(offered) if name in SIGNATURE]


def _meaning(error: Exception) -> DeviceError:
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return HostKeyChanged(f"the device shows a key that is not pinned: {error}")
        case asyncssh.KeyExchangeFailed():
            return NoCommonAlgorithm(f"no algorithm in common: {error}")
        case asyncssh.PermissionDenied():
            return SecretRefused(f"the device refuses the account: {error}")
        case TimeoutError():
            return DeviceUnreachable("the device did not answer in time")
        case _:
            return DeviceUnreachable(str(error) or type(error).__name__)
