"""Who signs the self-audits: the console's machine by the key of checkpoints, each further gateway by one of its own."""

from pathlib import Path
from typing import Final

from admin_api.registered_keys import RegisteredKeys
from admin_api.selfaudit.machines import AuditKeys
from ecluse.settings import Settings
from recorder.seal.signing import PublicKey

OWN: Final = Path("keys/self-audit.pem")
"""Root's alone, on a further gateway, as are its folder and the settings: who takes the gateway over has not taken over
what the machine says of itself."""


def own_key(settings: Settings) -> Path:
    """Return where the key is that signs this machine's reports."""
    return settings.data_dir / OWN if settings.console.elsewhere else settings.checkpoint_key


def known(settings: Settings) -> AuditKeys:
    """Return the keys that are believed on this machine. Raises SignatureInvalid."""
    if settings.console.elsewhere:
        own = own_key(settings)
        return AuditKeys((PublicKey.load(own.with_name(own.name + ".pub")),), RegisteredKeys(None))
    consoles = tuple(PublicKey.load(path) for path in settings.checkpoint_public_keys)
    return AuditKeys(consoles, RegisteredKeys(settings.audit_keys))
