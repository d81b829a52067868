"""Certificates for one log-in on one device, and the authority's key that signs them (OpenSSH PROTOCOL.certkeys)."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
)

from policy.errors import VaultError
from policy.vault.fingerprint import private_key
from policy.vault.secret import Secret

_LONGEST_NAME: Final = 64
_IN_NAMES: Final = frozenset(" .'-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a certificate says, and nothing more is allowed by it.

    ``key_id`` is what the device writes into its own log; the instants are aware UTC, ``valid_before``
    exclusive; ``source_address`` is the only address it is accepted from (None: any); ``terminal``: the device
    may give a terminal; ``ports``: it may let ports of its own be reached. Agents, X11 and the user's rc file are
    never allowed.
    """

    principal: str
    key_id: str
    valid_after: datetime
    valid_before: datetime
    source_address: str | None
    terminal: bool
    ports: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A key made for one log-in, and the OpenSSH line of the certificate that is for it alone."""

    private_key: Secret
    certificate: str
    serial: int


def new_authority_key() -> tuple[Secret, str]:
    """Make an authority's key; return its private half and its OpenSSH public line without a comment."""
    return _fresh()[1:]


def certify(authority: Secret, terms: Terms) -> Certified:
    """Make a key pair that nobody has seen and have *authority* sign a certificate for it under *terms*.

    Raises VaultError where the authority's key is not one.
    """
    signer = private_key(authority)
    if not isinstance(signer, Ed25519PrivateKey):
        raise VaultError("the authority's key is of another kind than the vault makes")
    key, private, _line = _fresh()
    serial = secrets.randbits(63)
    builder = (
        SSHCertificateBuilder()
        .public_key(key.public_key())
        .type(SSHCertificateType.USER)
        .serial(serial)
        .key_id(terms.key_id.encode("ascii"))
        .valid_principals([terms.principal.encode("ascii")])
        .valid_after(int(terms.valid_after.timestamp()))
        .valid_before(int(terms.valid_before.timestamp()))
    )
    if terms.source_address is not None:
        builder = builder.add_critical_option(b"source-address", terms.source_address.encode("ascii"))
    if terms.ports:
        builder = builder.add_extension(b"permit-port-forwarding", b"")
    if terms.terminal:
        builder = builder.add_extension(b"permit-pty", b"")
    line = builder.sign(signer).public_bytes().decode("ascii")
    return Certified(private_key=private, certificate=line, serial=serial)


def key_id_of(login: str, full_name: str, session_id: str) -> str:
    """Return who comes, for the device's log: ASCII on one line, where a name cannot pass for another field."""
    return f"{login} ({_plain(full_name)}) session {session_id}"


def _plain(full_name: str) -> str:
    bare = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode("ascii")
    kept = "".join(character if character.isalnum() or character in _IN_NAMES else " " for character in bare)
    return " ".join(kept.split())[:_LONGEST_NAME]


def _fresh() -> tuple[Ed25519PrivateKey, Secret, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return key, Secret(private), line
