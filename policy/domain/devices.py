"""Devices, the admin-network zones they stand in, and their dedicated accounts (rule T9)."""

from dataclasses import dataclass
from enum import StrEnum

from policy.domain.factors import Level
from policy.domain.ids import AccountId, DeviceId, HospitalId, ZoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """An admin-network zone; its devices are dialled from ``source_address`` (an IP of this host, None: any)."""

    id: ZoneId
    hospital_id: HospitalId
    name: str
    source_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """SSH algorithms of one old device, allowed on its own leg only. An empty tuple keeps the modern list."""

    kex: tuple[str, ...] = ()
    host_key: tuple[str, ...] = ()
    encryption: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The object of interventions: one address and port in one zone, with pinned host keys.

    ``host_keys`` are OpenSSH public key lines (``ssh-ed25519 AAAA…``, no comment); empty means that
    nobody has compared and pinned one yet, and nothing may be dialled. ``level``: what a log-in must reach here.
    """

    id: DeviceId
    hospital_id: HospitalId
    name: str
    description: str
    zone_id: ZoneId
    address: str
    port: int
    host_keys: tuple[str, ...]
    groups: frozenset[str]
    algorithms: Algorithms
    active: bool
    level: Level = Level.STANDARD


class AccountMethod(StrEnum):
    """How the gateway authenticates to the device."""

    PASSWORD = "password"  # noqa: S105 - the name of a method, not a secret
    KEY = "key"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class DedicatedAccount:
    """An account of one device kept for interventions.

    ``vaulted``: its secret is in the vault, and unique; of an account that trusts certificates, the hospital has
    a device authority that signs them.
    """

    id: AccountId
    hospital_id: HospitalId
    device_id: DeviceId
    name: str
    method: AccountMethod
    vaulted: bool
    active: bool


def principal_of(account: str, device: str) -> str:
    """Return the one principal of a certificate for *account* of *device*: no other device's is the same (T9)."""
    return f"{account}@{device}"
