"""Dialling a device: pinned host keys, the vaulted secret, the zone's source address, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncssh

from gateway.errors import (
    DeviceError,
    DeviceHungUp,
    DeviceUnreachable,
    FlowRefused,
    HostKeyChanged,
    NoCommonAlgorithm,
    SecretRefused,
)
from gateway.sshfix import DeviceConnection, connect
from gateway.sshfix.algorithms import SIGNATURE
from gateway.target.flows import UNFILTERED, Flow, Flows, Left
from gateway.target.options import device_options
from gateway.target.owner import DeviceOwner, OnLost
from policy.domain.access import Grant
from policy.domain.devices import AccountMethod, Algorithms, Quirk
from policy.domain.tasks import TaskGrant
from policy.errors import VaultError
from policy.services.vault import VaultService
from policy.vault.credentials import Credential

KEEPALIVE_SECONDS = 60
KEEPALIVE_COUNT = 3
"""A device's SSH that is silent is asked this often, and lost after so many questions; its system is asked by ours, more often."""
SLOWER = 3
"""How many times longer a device is waited for that is said to be slow."""


class Dialler:
    """Connects to devices on the strength of a grant, and of nothing else (invariant 1)."""

    def __init__(self, vault: VaultService, timeout: float, flows: Flows = UNFILTERED) -> None:
        """Ask *vault* for secrets and *flows* for the way; give a device *timeout* seconds to let us in."""
        self._vault = vault
        self._timeout = timeout
        self._flows = flows

    @property
    def filtered(self) -> bool:
        """Whether the network filter lets a device be reached only while it was asked to."""
        return self._flows is not UNFILTERED

    async def way(self, grant: Grant | TaskGrant, left: Left) -> Flow:
        """Have the network filter open the way to the device of *grant*, for *left* seconds, until it is closed.

        Raises FlowRefused.
        """
        return await self._flows.open(grant.address, grant.port, left)

    async def dial(
        self, grant: Grant | TaskGrant, on_lost: OnLost, left: Left | None = None
    ) -> DeviceConnection:
        """Connect to the device of *grant* under its account; *on_lost* is called when the connection ends.

        *left* tells for how many seconds the connection may still be used; unset, for as long as a device is given.
        Raises FlowRefused, HostKeyChanged, SecretRefused, DeviceMisdescribed, NoCommonAlgorithm, DeviceUnreachable;
        PolicyUnavailable from the vault.
        """
        keys = pinned(grant.host_keys)
        try:
            credential = await self._vault.release(grant)
        except VaultError as error:
            raise SecretRefused(f"the vault does not open: {error}") from error
        secret = credential.secret.reveal()
        password = secret if credential.method is AccountMethod.PASSWORD else None
        timeout = patience(grant.algorithms, self._timeout)
        flow = await self.way(grant, left or (lambda: timeout))

        shut: list[FlowRefused] = []

        def lost(error: Exception | None) -> None:
            flow.close()
            on_lost(shut[0] if shut else error)

        owner = DeviceOwner(lost, _account_name(grant), password)
        try:
            connection = await self._connected(grant, credential, keys, timeout, owner)
        except BaseException:
            flow.close()
            raise

        def closed_by_the_filter() -> None:
            shut.append(FlowRefused("the network filter closed the way"))
            connection.abort()

        flow.on_lost = closed_by_the_filter
        return connection

    async def _connected(
        self,
        grant: Grant | TaskGrant,
        credential: Credential,
        keys: list[asyncssh.SSHKey],
        timeout: float,
        owner: DeviceOwner,
    ) -> DeviceConnection:
        asked = _log_in(grant, credential, keys, timeout, owner)
        options = await device_options(grant.address, grant.port, grant.algorithms, **asked)
        spared = Quirk.NO_IGNORE in grant.algorithms.quirks
        try:
            async with asyncio.timeout(timeout):
                return await connect(options, local_address=grant.source_address, spared_ignore=spared)
        except (OSError, asyncssh.Error) as error:  # TimeoutError is an OSError
            raise _meaning(error, owner, grant) from error


def patience(algorithms: Algorithms, seconds: float) -> float:
    """Return how many seconds a device is given where others get *seconds*."""
    return seconds * SLOWER if Quirk.SLOW in algorithms.quirks else seconds


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


def _log_in(
    grant: Grant | TaskGrant,
    credential: Credential,
    keys: list[asyncssh.SSHKey],
    timeout: float,
    owner: DeviceOwner,
) -> dict[str, Any]:
    algorithms = grant.algorithms
    host_key_algorithms = algorithms.host_key or _modern(keys)
    by_password = credential.method is AccountMethod.PASSWORD
    secret = credential.secret.reveal()
    return {
        "username": _account_name(grant),
        "client_factory": lambda: owner,
        "known_hosts": lambda _host, _address, _port: (keys, [], []),
        "server_host_key_algs": list(host_key_algorithms),
        "x509_trusted_certs": None,
        "client_keys": None if by_password else [_client_key(secret, credential.certificate)],
        "password": secret if by_password else None,
        "preferred_auth": "password,keyboard-interactive" if by_password else "publickey",
        "agent_forwarding": False,
        "host_based_auth": False,
        "signature_algs": list(dict.fromkeys((*SIGNATURE, *algorithms.host_key))),
        "login_timeout": timeout,
        "keepalive_interval": KEEPALIVE_SECONDS,
        "keepalive_count_max": KEEPALIVE_COUNT,
    }


def _client_key(
    private: str, certificate: str | None
) -> asyncssh.SSHKey | tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
    """Return what to log in with: with a certificate, never the bare key as well. Raises SecretRefused."""
    try:
        key = asyncssh.import_private_key(private)
        return key if certificate is None else (key, asyncssh.import_certificate(certificate))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SecretRefused(f"the account's key cannot be read: {error}") from error


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


def _meaning(error: Exception, owner: DeviceOwner, grant: Grant | TaskGrant) -> DeviceError:
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return host_key_changed(owner.shown, grant.host_keys)
        case asyncssh.KeyExchangeFailed():
            return NoCommonAlgorithm(f"no algorithm in common: {error}")
        case asyncssh.PermissionDenied():
            return SecretRefused(f"the device refuses the account: {error}")
        case TimeoutError() if owner.reached:
            return DeviceUnreachable("the device takes the connection and does not finish in time")
        case TimeoutError():
            return DeviceUnreachable("the device did not answer in time")
        case _ if hung_up(error, reached=owner.reached):
            return _no_common_host_key(owner.offered, grant) or DeviceHungUp(
                "the device takes the connection and closes it before the log-in"
            )
        case _:
            return DeviceUnreachable(str(error) or type(error).__name__)


def _no_common_host_key(offered: Sequence[str], grant: Grant | TaskGrant) -> DeviceError | None:
    """Tell whether the device hung up because it *offered* no kind of host key that we asked for, and why that is."""
    keys = pinned(grant.host_keys)
    asked = grant.algorithms.host_key or _modern(keys)
    if not offered or set(offered) & set(asked):
        return None
    kinds = ", ".join(offered)
    if any(name.decode("ascii") in offered for key in keys for name in key.sig_algorithms):
        return NoCommonAlgorithm(f"no host key algorithm in common: the device has {kinds}")
    known = ", ".join(_fingerprint(key) for key in keys)
    return HostKeyChanged(f"the device has only {kinds}, pinned: {known}", shown=kinds, pinned=known)


def hung_up(error: Exception, *, reached: bool) -> bool:
    """Tell whether *error* means that a device which was *reached* closed or reset the connection."""
    return reached and isinstance(error, asyncssh.ConnectionLost | ConnectionResetError | BrokenPipeError)


def host_key_changed(shown: asyncssh.SSHKey | None, lines: Sequence[str]) -> HostKeyChanged:
    """Return the refusal of a device that *shown* another key than the pinned *lines*, with the fingerprints."""
    seen = "one that is none" if shown is None else _fingerprint(shown)
    known = tuple(_fingerprint(key) for key in pinned(lines))
    return HostKeyChanged(
        f"the device shows {seen}, pinned: {', '.join(known)}", shown=seen, pinned=", ".join(known)
    )


def _fingerprint(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"
