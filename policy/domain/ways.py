"""Where a person may be expected to go: what her SSH configuration is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

SSH_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A device that an approved window opens to a person, now or later, and the dedicated accounts that it allows."""

    device_name: str
    account_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the gateway is: the names by which clients reach it, the preferred first, its port, and its host CA.

    ``authority`` is the CA's public key as one OpenSSH line, None where the installation has no host CA.
    ``fingerprints`` are those of the gateway's own host keys, as a client that knows neither shows them.
    """

    names: tuple[str, ...]
    port: int
    authority: str | None
    fingerprints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that the configuration uses."""
        return self.names[0] if self.names else "localhost"

    def host(self, device: str, account: str | None = None) -> str:
        """Return under which name *device* stands in the configuration, for *account* where it is not the first.

        It ends with the gateway's own name. A device may be called ``github.com``, and forty hospitals have a
        ``scan01``: neither takes the place of another host of hers.
        """
        return f"{device if account is None else f'{device}+{account}'}.{self.name}"

    def known_hosts(self, ways: Sequence[Way] = ()) -> str | None:
        """Return the one ``known_hosts`` line for the gateway and the devices of *ways*; None without a CA.

        The CA is believed for these names alone: a technician serves many hospitals. A device's own name, which
        ``ssh -J`` looks for, is left out where it looks like that of somebody else's host.
        """
        if self.authority is None:
            return None
        bracketed = self.port != SSH_PORT
        hosts = [f"[{name}]:{self.port}" if bracketed else name for name in self.names or (self.name,)]
        for way in ways:
            hosts += [self.host(way.device_name), *([] if "." in way.device_name else [way.device_name])]
        return f"@cert-authority {','.join(hosts)} {self.authority}"
