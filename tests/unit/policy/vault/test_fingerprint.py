"""The same secret is found again in whatever form it comes; different ones never meet."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from policy.errors import InvalidInput
from policy.vault.fingerprint import private_key
from policy.vault.keyring import Keyring
from policy.vault.secret import Secret

FORMS = [
    (Encoding.PEM, PrivateFormat.OpenSSH),
    (Encoding.PEM, PrivateFormat.PKCS8),
    (Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
]


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A fresh keyring."""
    return Keyring.generate(tmp_path / "keyring")


def written(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, encoding: Encoding, form: PrivateFormat
) -> Secret:
    """The private key as a text of one form."""
    return Secret(key.private_bytes(encoding, form, NoEncryption()).decode())


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_one_private_key_has_one_fingerprint_in_every_encoding(keyring: Keyring, kind: str) -> None:
    """OpenSSH, PKCS#8 and traditional PEM, with other line ends or surrounding blanks: the same key."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    texts = [written(key, *form) for form in FORMS]
    texts += [Secret(text.reveal().replace("\n", "\r\n")) for text in texts]
    texts += [Secret("\n  " + texts[0].reveal().strip())]
    assert len({keyring.fingerprint(text) for text in texts}) == 1


def test_two_private_keys_have_two_fingerprints(keyring: Keyring) -> None:
    """Another key is another secret."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    assert len({keyring.fingerprint(written(key, *FORMS[0])) for key in keys}) == 2


def test_passwords_are_the_same_whatever_their_unicode_form(keyring: Keyring) -> None:
    """Composed or decomposed accents type the same password; another case does not."""
    assert keyring.fingerprint(Secret("caf\u00e9")) == keyring.fingerprint(Secret("cafe\u0301"))
    assert keyring.fingerprint(Secret("Cafe")) != keyring.fingerprint(Secret("cafe"))


def test_a_password_cannot_pretend_to_be_a_key(keyring: Keyring) -> None:
    """A text that only looks like a key is fingerprinted as the text it is."""
    fake = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n")
    other = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsens2\n-----END OPENSSH PRIVATE KEY-----\n")
    assert keyring.fingerprint(fake) != keyring.fingerprint(other)


def test_fingerprints_outlive_a_rotation_and_belong_to_one_keyring(keyring: Keyring, tmp_path: Path) -> None:
    """Rotation keeps them, so reuse is found afterwards; another installation's are worth nothing here."""
    before = keyring.fingerprint(Secret("x"))
    keyring.make_current(keyring.add_key())
    assert keyring.fingerprint(Secret("x")) == before
    assert Keyring.generate(tmp_path / "other").fingerprint(Secret("x")) != before


def test_a_private_key_with_a_passphrase_is_refused_with_the_way_out() -> None:
    """The gateway has nobody to ask for a passphrase."""
    key = ed25519.Ed25519PrivateKey.generate()
    for form in (PrivateFormat.OpenSSH, PrivateFormat.PKCS8):
        text = key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"phrase")).decode()
        with pytest.raises(InvalidInput, match="ssh-keygen -p"):
            private_key(Secret(text))


@pytest.mark.parametrize(
    "text", ["", "hello", "PuTTY-User-Key-File-3: ssh-ed25519", "-----BEGIN X-----\n-----END X-----"]
)
def test_what_is_no_private_key_is_refused_without_repeating_it(text: str) -> None:
    """The message says what to hand over and does not quote the text."""
    with pytest.raises(InvalidInput) as refused:
        private_key(Secret(text))
    assert not text or text not in str(refused.value)


def test_a_key_that_ssh_cannot_use_is_refused() -> None:
    """An X25519 key is sound PEM and no SSH identity."""
    key = x25519.X25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(InvalidInput, match="ssh-keygen"):
        private_key(Secret(text))
