"""Devices, the admin-network zones they stand in, and their dedicated accounts (rule T9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policy.domain.factors import Level
from policy.domain.ids import AccountId, DeviceId, HospitalId, ZoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """An admin-network zone; its devices are dialled from ``source_address`` (an IP of this host, None: any)."""

    id: ZoneId
    hospital_id: HospitalId
    name: str
    source_address: str | None


class Quirk(StrEnum):
    """What one device cannot stand or cannot do, and is therefore spared on its own leg, at a price.

    ``no-ignore``: it breaks on SSH_MSG_IGNORE, so a CBC cipher loses what protects its first block (RFC 4251
    section 9.3.1). ``plain-principal``: its SSH server has no list of principals, so its certificates name the
    account alone, as another device's might. ``slow``: it takes long to answer, and is waited for; nothing is
    weaker for it.
    """

    NO_IGNORE = "no-ignore"
    PLAIN_PRINCIPAL = "plain-principal"
    SLOW = "slow"


SOUND: Final = frozenset(
    {
        "curve25519-sha256", "curve25519-sha256@libssh.org", "mlkem768x25519-sha256",
        "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
        "sntrup761x25519-sha512@openssh.com", "diffie-hellman-group16-sha512",
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
        "rsa-sha2-256", "rsa-sha2-512",
        "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr",
        "chacha20-poly1305@openssh.com",
        "hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com",
    }
)  # fmt: skip
"""Algorithms that nobody has to answer for (X14, X16). Any other name is a weakness, known to be one or not."""


KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "kex": (
        "mlkem768x25519-sha256", "mlkem768nistp256-sha256", "mlkem1024nistp384-sha384", "curve25519-sha256",
        "curve25519-sha256@libssh.org", "curve448-sha512", "ecdh-sha2-nistp521", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp256", "ecdh-sha2-1.3.132.0.10", "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group-exchange-sha224@ssh.com", "diffie-hellman-group-exchange-sha384@ssh.com",
        "diffie-hellman-group-exchange-sha512@ssh.com", "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group14-sha256", "diffie-hellman-group15-sha512", "diffie-hellman-group16-sha512",
        "diffie-hellman-group17-sha512", "diffie-hellman-group18-sha512",
        "diffie-hellman-group14-sha256@ssh.com", "diffie-hellman-group14-sha224@ssh.com",
        "diffie-hellman-group15-sha256@ssh.com", "diffie-hellman-group15-sha384@ssh.com",
        "diffie-hellman-group16-sha384@ssh.com", "diffie-hellman-group16-sha512@ssh.com",
        "diffie-hellman-group18-sha512@ssh.com", "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1", "rsa2048-sha256", "rsa1024-sha1",
    ),
    "host_key": (
        "rsa-sha2-256", "rsa-sha2-512", "ssh-rsa-sha224@ssh.com", "ssh-rsa-sha256@ssh.com",
        "ssh-rsa-sha384@ssh.com", "ssh-rsa-sha512@ssh.com", "ssh-rsa", "ssh-ed25519", "ssh-ed448",
        "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256", "ecdsa-sha2-1.3.132.0.10",
        "ssh-dss",
    ),
    "encryption": (
        "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr",
        "aes192-ctr", "aes128-ctr", "aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc", "blowfish-cbc",
        "cast128-cbc", "seed-cbc@ssh.com", "arcfour256", "arcfour128", "arcfour",
    ),
    "mac": (
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha1-etm@openssh.com",
        "hmac-md5-etm@openssh.com", "hmac-sha2-256-96-etm@openssh.com", "hmac-sha2-512-96-etm@openssh.com",
        "hmac-sha1-96-etm@openssh.com", "hmac-md5-96-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
        "hmac-sha1", "hmac-sha256-2@ssh.com", "hmac-sha224@ssh.com", "hmac-sha256@ssh.com",
        "hmac-sha384@ssh.com", "hmac-sha512@ssh.com", "hmac-md5", "hmac-sha2-256-96", "hmac-sha2-512-96",
        "hmac-sha1-96", "hmac-md5-96",
    ),
}  # fmt: skip
"""What a device's list may name, by its kind: what a gateway can speak, which a test compares with its SSH library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithms:
    """SSH algorithms and quirks of one old device, allowed on its own leg only.

    An empty tuple of algorithms keeps the modern list; one with names is offered in place of it.
    """

    kex: tuple[str, ...] = ()
    host_key: tuple[str, ...] = ()
    encryption: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()
    quirks: tuple[Quirk, ...] = ()

    @property
    def weaknesses(self) -> tuple[str, ...]:
        """What somebody must answer for, as ``kind=name``: ``kex=diffie-hellman-group1-sha1``, ``quirk=no-ignore``."""
        named = {"kex": self.kex, "host_key": self.host_key, "encryption": self.encryption, "mac": self.mac}
        old = [f"{kind}={name}" for kind, names in named.items() for name in names if name not in SOUND]
        costly = (quirk for quirk in self.quirks if quirk is not Quirk.SLOW)
        return (*dict.fromkeys(old), *dict.fromkeys(f"quirk={quirk.value}" for quirk in costly))


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
