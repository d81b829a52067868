"""What the vault releases to the gateway: how to authenticate to a device."""

from dataclasses import dataclass

from policy.domain.devices import AccountMethod
from policy.vault.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The secret of one dedicated account: a password, or an unencrypted private key in OpenSSH or PEM form."""

    method: AccountMethod
    secret: Secret
