"""SSH public keys as people hand them over, judged on bytes (RFC 4253 section 6.6, RFC 8709, RFC 5656)."""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from policy.errors import InvalidInput

MINIMUM_RSA_BITS: Final = 2048
_MAXIMUM_RSA_BITS: Final = 16384
_MAXIMUM_LINE: Final = 16384
_FIELD: Final = "public_key"
_ALGORITHMS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
_SECURITY_KEYS: Final = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A public key fit to log in with: ``blob`` in SSH wire format, ``fingerprint`` as ``ssh-keygen -l`` says it."""

    algorithm: str
    blob: bytes
    fingerprint: str
    bits: int
    comment: str


def parse(public_line: str, *, security_keys: bool = False) -> SshKey:
    """Read one line of a ``.pub`` file; *security_keys*: FIDO2 keys too, which people have and devices have not.

    Raises InvalidInput for options, certificates, DSA, RSA under 2048 bits, several lines, a private
    key, and anything that is not a key; the message says what to hand over instead.
    """
    line = public_line.strip()
    if "PRIVATE KEY" in line:
        raise InvalidInput(
            _FIELD, "is a private key, which nobody else may see: hand over the .pub file, and make a new key"
        )
    if len(line) > _MAXIMUM_LINE or "\n" in line or "\r" in line or "\0" in line:
        raise InvalidInput(_FIELD, "must be one line, the content of the .pub file")
    algorithm, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    _check_algorithm(algorithm, security_keys=security_keys)
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(_FIELD, "is not in OpenSSH form; hand over the .pub file as it is") from None
    return SshKey(
        algorithm=algorithm,
        blob=blob,
        fingerprint=fingerprint(blob),
        bits=_bits(algorithm, blob),
        comment=_printable(comment),
    )


def fingerprint(blob: bytes) -> str:
    """Return the SHA-256 fingerprint of a key in wire format, as OpenSSH prints it (base64 without padding)."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def is_security_key(algorithm: str) -> bool:
    """Tell whether keys of *algorithm* are FIDO2 security keys (OpenSSH PROTOCOL.u2f)."""
    return algorithm in _SECURITY_KEYS


def blob_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    """Return *key* in SSH wire format."""
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def is_one_of(blob: bytes, enrolled: Iterable[bytes]) -> bool:
    """Tell whether *blob* is one of the *enrolled* keys in wire format; compares with every one of them."""
    digest = hashlib.sha256(blob).digest()
    found = False
    for each in enrolled:
        found |= hmac.compare_digest(hashlib.sha256(each).digest(), digest)
    return found


def _check_algorithm(algorithm: str, *, security_keys: bool) -> None:
    if algorithm in _ALGORITHMS or (security_keys and algorithm in _SECURITY_KEYS):
        return
    if "-cert-v" in algorithm:
        raise InvalidInput(
            _FIELD, "is a certificate; hand over the plain public key (the .pub file without -cert)"
        )
    if algorithm == "ssh-dss":
        raise InvalidInput(_FIELD, "is a DSA key, which is too weak; make one with ssh-keygen -t ed25519")
    if algorithm.startswith("sk-"):
        raise InvalidInput(
            _FIELD,
            "is a security key, which serves people; a device's host key is of another kind"
            if is_security_key(algorithm)
            else "is a security key of an unknown kind; make one with ssh-keygen -t ed25519-sk",
        )
    raise InvalidInput(
        _FIELD, f"must start with one of {', '.join(_ALGORITHMS)}; hand over the .pub file as it is"
    )


def _bits(algorithm: str, blob: bytes) -> int:
    if not blob.startswith(struct.pack(">I", len(algorithm)) + algorithm.encode("ascii")):
        raise InvalidInput(_FIELD, "names one algorithm and holds another; hand over the .pub file as it is")
    canonical = f"{algorithm} {base64.b64encode(blob).decode('ascii')}"
    try:
        key = load_ssh_public_key(canonical.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(_FIELD, "is damaged; hand over the .pub file as it is") from None
    if isinstance(key, rsa.RSAPublicKey):
        if not MINIMUM_RSA_BITS <= key.key_size <= _MAXIMUM_RSA_BITS:
            raise InvalidInput(
                _FIELD,
                f"is an RSA key of {key.key_size} bits; make one with ssh-keygen -t ed25519 or -t rsa -b 3072",
            )
        return key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return 256
    raise InvalidInput(_FIELD, "is of a kind that may not log in; make one with ssh-keygen -t ed25519")


def _printable(comment: str) -> str:
    return "".join(character for character in comment if character.isprintable())[:100]
