"""Private keys behind a passphrase: PKCS#8, encrypted by PBES2 with scrypt (RFC 7914) and AES-256-CBC.

`cryptography` reads this form and writes PBKDF2 alone, which costs an attacker with graphics cards too little.
"""

from __future__ import annotations

import os
from base64 import encodebytes
from typing import Final

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ObjectIdentifier

from recorder.seal.schemes import ReaderPrivate

COST: Final = 1 << 17
"""scrypt's N: with r = 8 each guess takes 128 MiB, and some tenths of a second."""
_BLOCK: Final = 8
_PARALLEL: Final = 1
_KEY: Final = 32
_PBES2 = ObjectIdentifier("1.2.840.113549.1.5.13")
_SCRYPT = ObjectIdentifier("1.3.6.1.4.1.11591.4.11")
_AES_256_CBC = ObjectIdentifier("2.16.840.1.101.3.4.1.42")
MARK: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


@asn1.sequence
class _ScryptParameters:
    salt: bytes
    cost: int
    block: int
    parallel: int
    length: int


@asn1.sequence
class _Derivation:
    algorithm: ObjectIdentifier
    parameters: _ScryptParameters


@asn1.sequence
class _Cipher:
    algorithm: ObjectIdentifier
    vector: bytes


@asn1.sequence
class _Pbes2:
    derivation: _Derivation
    cipher: _Cipher


@asn1.sequence
class _Algorithm:
    algorithm: ObjectIdentifier
    parameters: _Pbes2


@asn1.sequence
class _EncryptedPrivateKey:
    algorithm: _Algorithm
    data: bytes


def encrypted_pem(key: ReaderPrivate, passphrase: str) -> bytes:
    """The key as PEM text that opens by *passphrase* alone. Takes some tenths of a second, on purpose."""
    salt, vector = os.urandom(16), os.urandom(16)
    derived = Scrypt(salt=salt, length=_KEY, n=COST, r=_BLOCK, p=_PARALLEL).derive(passphrase.encode())
    padder = PKCS7(algorithms.AES256.block_size).padder()
    encryptor = Cipher(algorithms.AES256(derived), modes.CBC(vector)).encryptor()
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    data = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    parameters = _ScryptParameters(salt=salt, cost=COST, block=_BLOCK, parallel=_PARALLEL, length=_KEY)
    scheme = _Pbes2(
        derivation=_Derivation(algorithm=_SCRYPT, parameters=parameters),
        cipher=_Cipher(algorithm=_AES_256_CBC, vector=vector),
    )
    whole = _EncryptedPrivateKey(algorithm=_Algorithm(algorithm=_PBES2, parameters=scheme), data=data)
    return MARK + b"\n" + encodebytes(asn1.encode_der(whole)) + MARK.replace(b"BEGIN", b"END") + b"\n"
