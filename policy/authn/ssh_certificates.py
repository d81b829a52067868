"""OpenSSH user certificates (PROTOCOL.certkeys), judged on bytes at each log-in."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

from policy.authn import ssh_keys
from policy.authn.held_keys import KeyRefused
from policy.authn.krl import KeyRevocationList
from policy.authn.ssh_wire import WireReader
from policy.domain.certificates import LoginAuthority
from policy.domain.logins import LoginReason

LARGEST: Final = 65536
_KINDS: Final = frozenset(
    {
        b"ssh-ed25519-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp384-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp521-cert-v01@openssh.com",
        b"ssh-rsa-cert-v01@openssh.com",
    }
)
_SIGNATURES: Final = frozenset(
    {
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"rsa-sha2-256",
        b"rsa-sha2-512",
    }
)
"""What an authority may have signed with: SHA-1 (``ssh-rsa``) is not among it."""
_FOREVER: Final = 253402300800  # the year 10000
_PTY: Final = b"permit-pty"
_FORWARDING: Final = b"permit-port-forwarding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What a certificate in force says: the plain key in it, and what else to hold its holder to.

    ``until`` is when it is over (aware UTC, exclusive), None where it is for ever.
    """

    key: bytes
    forwarding: bool
    told: str
    until: datetime | None = None


def is_certificate(blob: bytes) -> bool:
    """Tell whether *blob* (SSH wire format) is a certificate of a kind that people may log in with."""
    try:
        return WireReader(blob[:LARGEST]).string() in _KINDS
    except ValueError:
        return False


def certified(
    blob: bytes, authorities: Iterable[LoginAuthority], *, login: str, source: str, at: datetime
) -> Certified:
    """Return what the certificate *blob* says if it lets *login* in from the IP literal *source* at the instant *at*.

    Signed by one of *authorities*; for users; the login among its principals, of which there is at least one; in
    its time; from where it says; without any demand that is not held here; not revoked. Raises KeyRefused.
    """
    certificate = _read(blob)
    signer = ssh_keys.blob_of(_plain(certificate.signature_key()))
    authority = next((one for one in authorities if ssh_keys.parse(one.public_key).blob == signer), None)
    if authority is None or not _signed(certificate, blob):
        raise KeyRefused(LoginReason.UNKNOWN_KEY, "a certificate of no authority of the hospital's")
    key = ssh_keys.blob_of(_plain(certificate.public_key()))
    if certificate.type is not SSHCertificateType.USER:
        raise _unfit("a host certificate")
    # without principals a certificate would let its holder in as anybody; and under a name that is not hers she
    # learns nothing, not even whether anybody bears it
    if login.encode() not in certificate.valid_principals:
        raise KeyRefused(LoginReason.UNKNOWN_KEY, "the login is not among its principals")
    if not certificate.valid_after <= at.timestamp() < certificate.valid_before:
        raise KeyRefused(LoginReason.CERTIFICATE_EXPIRED)
    _check_options(certificate, source)
    if _PTY not in certificate.extensions:
        raise _unfit("without permit-pty")
    if authority.krl is not None and _revoked(certificate, key, signer, KeyRevocationList(authority.krl)):
        raise KeyRefused(LoginReason.CERTIFICATE_REVOKED, "by the authority's KRL")
    name = "".join(one if one.isprintable() else "?" for one in certificate.key_id.decode("utf-8", "replace"))
    return Certified(
        key=key,
        forwarding=_FORWARDING in certificate.extensions,
        told=f"{authority.name}: certificate {certificate.serial} of {name[:100]!r}",
        until=_instant(certificate.valid_before),
    )


def plain_key(blob: bytes) -> bytes:
    """Return the plain key in the certificate *blob*; raises KeyRefused for what is none."""
    return ssh_keys.blob_of(_plain(_read(blob).public_key()))


def _instant(seconds: int) -> datetime | None:
    """Return a certificate's ``valid before``; ``forever`` is beyond what a datetime can say."""
    return None if seconds >= _FOREVER else datetime.fromtimestamp(seconds, UTC)


def _read(blob: bytes) -> SSHCertificate:
    if len(blob) > LARGEST or not is_certificate(blob):
        raise _unfit("no user certificate")
    kind = WireReader(blob).string()
    try:
        found = load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise _unfit("damaged") from None
    if not isinstance(found, SSHCertificate):
        raise _unfit("no user certificate")
    return found


def _plain(key: object) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= ssh_keys.MINIMUM_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return key
    raise _unfit("weak key")


def _signed(certificate: SSHCertificate, blob: bytes) -> bool:
    reader = WireReader(blob)
    try:
        *_, signature = _strings_at_the_end(reader)
        if WireReader(signature).string() not in _SIGNATURES:
            return False
        certificate.verify_cert_signature()
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _strings_at_the_end(reader: WireReader) -> list[bytes]:
    """Return the authority's key and its signature: the last two fields (PROTOCOL.certkeys)."""
    kind = reader.string()
    reader.string()  # nonce
    for _ in range(1 if kind.startswith(b"ssh-ed25519") else 2):
        reader.string()  # the key's own fields
    reader.uint64()  # serial
    reader.uint32()  # type
    reader.string()  # key id
    reader.string()  # principals
    reader.uint64()
    reader.uint64()
    for _ in range(3):
        reader.string()  # critical options, extensions, reserved
    found = [reader.string(), reader.string()]
    if reader.left:
        raise ValueError("bytes follow the certificate")
    return found


def _check_options(certificate: SSHCertificate, source: str) -> None:
    for name, value in certificate.critical_options.items():
        if name != b"source-address":
            shown = name.decode("ascii", "replace")[:40]
            raise _unfit(f"critical option {shown!r}, which is not held here")
        networks = [one.strip() for one in value.decode("ascii", "replace").split(",")]
        if not any(_within(source, network) for network in networks):
            raise _unfit("from another address than it is for")


def _within(source: str, network: str) -> bool:
    try:
        return ip_address(source) in ip_network(network, strict=False)
    except ValueError:
        return False


def _revoked(certificate: SSHCertificate, key: bytes, signer: bytes, krl: KeyRevocationList) -> bool:
    return (
        krl.revokes_key(key)
        or krl.revokes_key(signer)
        or krl.revokes_certificate(signer, certificate.serial, certificate.key_id)
    )


def _unfit(detail: str) -> KeyRefused:
    return KeyRefused(LoginReason.CERTIFICATE_UNFIT, detail)
