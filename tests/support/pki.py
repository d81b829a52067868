"""Certification authorities, token certificates and revocation lists, made for a test at its own time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from policy.authn import ssh_keys

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def usage(*, signature: bool = False, authority: bool = False, crl: bool = False) -> x509.KeyUsage:
    """Return a key usage for signatures, or for an authority."""
    return x509.KeyUsage(signature, False, False, False, False, authority, crl, False, False)


@dataclass(frozen=True)
class Certified:
    """A certificate that an authority made, and the authorities between it and the root."""

    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> str:
        """The certificate and its intermediates, as they are handed over."""
        return "".join(
            one.public_bytes(Encoding.PEM).decode() for one in (self.certificate, *self.intermediates)
        )

    @property
    def blob(self) -> bytes:
        """The public key in SSH wire format."""
        key = self.certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return ssh_keys.blob_of(key)


class Authority:
    """A certification authority: a root, or an intermediate made by ``under``. Its certificate lasts ten years."""

    def __init__(self, name: str, at: datetime, parent: "Authority | None" = None) -> None:
        """Make it at the aware instant *at*."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.parent = parent
        signer = self.key if parent is None else parent.key
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(name) if parent is None else parent.certificate.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=400))
            .not_valid_after(at + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage(authority=True, crl=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        self.certificate: x509.Certificate = builder.sign(signer, hashes.SHA256())

    def under(self, name: str, at: datetime) -> "Authority":
        """Return an intermediate authority below this one."""
        return Authority(name, at, self)

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """Its private key, for the responder that answers in its name."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """This authority and those above it, but for the root."""
        return () if self.parent is None else (self.certificate, *self.parent.chain)

    def certify(
        self,
        key: PublicKey,
        at: datetime,
        *,
        name: str = "Alice Martin",
        days: float = 365,
        begins: timedelta = timedelta(days=-1),
        key_usage: x509.KeyUsage | None = usage(signature=True),  # noqa: B008 - a frozen value
        purposes: Sequence[ObjectIdentifier] | None = CLIENT,
        email: str | None = None,
    ) -> Certified:
        """Certify *key* from *at* plus *begins*, for *days*; for the address *email*, if one is given."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(at + begins)
            .not_valid_after(at + begins + timedelta(days=days))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if key_usage is not None:
            builder = builder.add_extension(key_usage, critical=True)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
        if email is not None:
            alternative = x509.SubjectAlternativeName([x509.RFC822Name(email)])
            builder = builder.add_extension(alternative, critical=False)
        return Certified(builder.sign(self.key, hashes.SHA256()), self.chain)

    def revoke(
        self,
        at: datetime,
        revoked: Mapping[x509.Certificate, x509.ReasonFlags | None] | None = None,
        *,
        lasts: timedelta = timedelta(days=7),
    ) -> bytes:
        """Return the list (DER) of what is *revoked*, made at *at* and good for as long as it *lasts*."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(at)
            .next_update(at + lasts)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        for certificate, reason in (revoked or {}).items():
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(at - timedelta(minutes=1))
            )
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a fresh RSA key."""
    return rsa.generate_private_key(65537, bits)


def curve_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())
