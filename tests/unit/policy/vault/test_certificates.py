"""Certificates for one log-in: what they say, what they never say, and that no key is used twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
    load_ssh_public_key,
)

from policy.errors import VaultError
from policy.vault.certificates import Terms, certify, key_id_of, new_authority_key
from policy.vault.fingerprint import private_key
from policy.vault.secret import Secret

NOW = datetime(2026, 3, 3, 19, 30, tzinfo=UTC)
TERMS = Terms(
    principal="maint@scan01",
    key_id=key_id_of("alice", "Alice Martin", "s1"),
    valid_after=NOW - timedelta(minutes=5),
    valid_before=NOW + timedelta(minutes=5),
    source_address="192.0.2.10",
    terminal=True,
)


def read(line: str) -> SSHCertificate:
    """Return the certificate of an OpenSSH line, whose signature is right."""
    found = load_ssh_public_identity(line.encode())
    assert isinstance(found, SSHCertificate)
    found.verify_cert_signature()
    return found


def test_a_certificate_says_what_it_was_told_and_no_more() -> None:
    """One principal, minutes of life, one source; a terminal and nothing else; signed by the authority."""
    authority, line = new_authority_key()
    said = read(certify(authority, TERMS).certificate)
    assert said.type is SSHCertificateType.USER
    assert said.valid_principals == [b"maint@scan01"]
    assert said.key_id == b"alice (Alice Martin) session s1"
    assert (said.valid_after, said.valid_before) == (
        int(TERMS.valid_after.timestamp()),
        int(TERMS.valid_before.timestamp()),
    )
    assert said.critical_options == {b"source-address": b"192.0.2.10"}
    assert said.extensions == {b"permit-pty": b""}
    signer = load_ssh_public_key(line.encode())
    assert said.signature_key().public_bytes_raw() == signer.public_bytes_raw()  # type: ignore[union-attr]  # Ed25519 both


def test_without_terminal_and_source_it_permits_nothing() -> None:
    """No terminal asked, no extension; no source address, no option."""
    authority, _line = new_authority_key()
    said = read(certify(authority, replace(TERMS, terminal=False, source_address=None)).certificate)
    assert (said.extensions, said.critical_options) == ({}, {})


def test_no_key_and_no_serial_is_used_twice() -> None:
    """Each certificate is for a key of its own, whose private half comes with it."""
    authority, _line = new_authority_key()
    made = [certify(authority, TERMS) for _ in range(20)]
    keys = {read(one.certificate).public_key().public_bytes_raw() for one in made}  # type: ignore[union-attr]  # Ed25519
    assert len(keys) == len({one.serial for one in made}) == 20
    mine = private_key(made[0].private_key).public_key()
    assert mine.public_bytes_raw() == read(made[0].certificate).public_key().public_bytes_raw()  # type: ignore[union-attr]  # the same
    assert "PRIVATE" not in repr(made[0])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë Lefèvre-O'Brien", "Zoe Lefevre-O'Brien"),
        ("Alice) session 0 (serial 1) CA x\nAccepted", "Alice session 0 serial 1 CA x Accepted"),
        ("\x1b[2J\u202eMartin", "2JMartin"),
        ("山田", ""),
        ("a" * 500, "a" * 64),
    ],
)
def test_a_name_cannot_pass_for_another_field_of_the_devices_log(name: str, shown: str) -> None:
    """Brackets, controls and other scripts go; the login before it and the session after it stay what they are."""
    assert key_id_of("alice", name, "s1") == f"alice ({shown}) session s1"


def test_a_key_of_another_kind_signs_nothing() -> None:
    """What is sealed as an authority's key and is not one of the vault's is refused."""
    other = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    with pytest.raises(VaultError, match="another kind"):
        certify(Secret(other.decode()), TERMS)
