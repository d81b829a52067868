"""The gateway's own SSH host keys."""

from base64 import b64decode
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import SSHPrivateKeyTypes

from ecluse.certificates import write_private
from policy.authn.ssh_keys import fingerprint


class HostKeyUnusable(Exception):
    """A file holds no host key that the gateway can serve with; the message says why, for a log."""


def read_host_key(path: Path) -> SSHPrivateKeyTypes:
    """Return the private host key in *path*; raises HostKeyUnusable where there is none without a passphrase."""
    try:
        return serialization.load_ssh_private_key(path.read_bytes(), None)
    except OSError as error:
        raise HostKeyUnusable(error.strerror or type(error).__name__) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HostKeyUnusable("no unencrypted OpenSSH private key") from error


def make_host_keys(directory: Path) -> None:
    """Make ``host_ed25519`` and ``host_ecdsa`` (P-256) with their ``.pub`` in *directory*, private ones 0600."""
    _write(directory / "host_ed25519", ed25519.Ed25519PrivateKey.generate())
    _write(directory / "host_ecdsa", ec.generate_private_key(ec.SECP256R1()))


def make_host_authority(path: Path) -> bool:
    """Make the host CA at *path*, Ed25519, 0600, with its ``.pub``; False, and nothing done, where there is one.

    Raises OSError.
    """
    if path.exists():
        return False
    _write(path, ed25519.Ed25519PrivateKey.generate())
    return True


def host_authority_line(path: Path) -> str | None:
    """Return the public key of the host CA at *path* as one OpenSSH line; None where it cannot be read."""
    try:
        words = path.with_name(path.name + ".pub").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None
    return " ".join(words[:2]) if len(words) >= 2 else None


def host_fingerprints(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return the fingerprints of the host keys at *paths*, as ssh(1) asks about them.

    They are read from the public halves beside them (``.pub``); a key without one is left out.
    """
    found = []
    for path in paths:
        try:
            blob = b64decode(path.with_name(path.name + ".pub").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            continue
        found.append(fingerprint(blob))
    return tuple(found)


def _write(path: Path, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    write_private(
        path,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
