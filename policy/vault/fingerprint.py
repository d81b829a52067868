"""What makes two secrets the same one (rule T9): the password's characters, or the private key's public half."""

import unicodedata
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from policy.errors import InvalidInput
from policy.vault.secret import Secret

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey
_ARMOUR: Final = "-----BEGIN "


def identity(secret: Secret) -> bytes:
    """Return bytes equal for two secrets that open the same doors, and for no others.

    A private key stands for its public half, whatever its encoding, comment or line ends; anything else
    for its characters under NFKC. The bytes hold a password in the open: feed them to a keyed hash only.
    """
    text = secret.reveal()
    if text.lstrip().startswith(_ARMOUR):
        try:
            public = private_key(secret).public_key()
        except InvalidInput:
            pass
        else:
            return b"key\0" + public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"text\0" + unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")


def private_key(secret: Secret) -> PrivateKey:
    """Load an unencrypted SSH private key (OpenSSH, PKCS#1, PKCS#8 or SEC1 PEM).

    Raises InvalidInput for anything else; the message never repeats the text.
    """
    text = secret.reveal().strip() + "\n"
    octets = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    load = load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        key = load(octets, password=None)
    except TypeError:  # cryptography's way to say that a passphrase is needed
        raise InvalidInput(
            "secret", "the private key has a passphrase; remove it with ssh-keygen -p"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput("secret", "not a private key in OpenSSH or PEM form") from None
    if not isinstance(key, PrivateKey):
        raise InvalidInput(
            "secret", "not a private key that SSH can use; make one with ssh-keygen -t ed25519"
        )
    return key
