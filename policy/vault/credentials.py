"""What the vault releases to the gateway: how to authenticate to a device."""

from dataclasses import dataclass

from policy.domain.devices import AccountMethod
from policy.vault.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What opens one dedicated account: a password, or an unencrypted private key in OpenSSH or PEM form.

    ``certificate`` is the OpenSSH line of the certificate for that key, where the account trusts certificates;
    the key was then made for this one release.
    """

    method: AccountMethod
    secret: Secret
    certificate: str | None = None
