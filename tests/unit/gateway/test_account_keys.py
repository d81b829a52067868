"""What the vault gives to log in with, where it cannot be used."""

from dataclasses import replace

import asyncssh
import pytest
from typing_extensions import override

from gateway.errors import SecretRefused
from gateway.target.dial import Dialler
from policy.domain.devices import AccountMethod
from policy.services.vault import VaultService
from policy.vault.credentials import Credential
from policy.vault.secret import Secret
from tests.support.facts import DEVICE, FACTS, make_grant

GOOD = asyncssh.generate_private_key("ssh-ed25519")
PLAIN = GOOD.export_private_key().decode()


class Vault(VaultService):
    """Gives one credential."""

    def __init__(self, credential: Credential) -> None:
        """Give *credential* for any grant."""
        self._credential = credential

    @override
    async def release(self, grant: object) -> Credential:
        """Give it."""
        return self._credential


@pytest.mark.parametrize(
    ("private", "certificate"),
    [("no key", None), (GOOD.export_private_key(passphrase="p").decode(), None), (PLAIN, "no certificate")],
    ids=["key", "locked", "certificate"],
)
async def test_a_key_that_cannot_be_read_is_told_as_the_accounts_secret(
    private: str, certificate: str | None
) -> None:
    """Nobody is sent to the device's list of algorithms where the dedicated account's key is the fault."""
    credential = Credential(method=AccountMethod.KEY, secret=Secret(private), certificate=certificate)
    device = replace(DEVICE, host_keys=(GOOD.export_public_key().decode(),))
    granted = make_grant(replace(FACTS, device=device))
    with pytest.raises(SecretRefused, match="the account's key cannot be read"):
        await Dialler(Vault(credential), 1.0).dial(granted, lambda _error: None)
