"""Certificates of tokens, and OpenSSH's. Keys are files here: how long a card takes to sign is not ours to measure."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.domain.ids import HospitalId, PersonId, SupplierId
from policy.services import Services
from tests.support.pki import Authority

LASTS = timedelta(hours=8)


class Cards:
    """One authority that the hospital believes about its supplier, and the certificates that it gives."""

    def __init__(self, services: Services, manager: PersonId, hospital: HospitalId, now: datetime) -> None:
        """Begin an authority at the aware instant *now*; *manager* enrols by it."""
        self._services = services
        self._manager = manager
        self._hospital = hospital
        self._now = now
        self._authority = Authority("IGC Imagix", now)

    async def believe(self, supplier: SupplierId) -> None:
        """Make the authority known about *supplier*, with an empty revocation list."""
        anchors = self._services.anchors
        anchor = await anchors.add(
            self._manager,
            self._hospital,
            name="IGC Imagix",
            certificate=self._authority.pem,
            supplier_id=supplier,
        )
        await anchors.take_list(self._manager, self._hospital, anchor.id, self._authority.revoke(self._now))

    async def give(self, person: PersonId, path: Path) -> None:
        """Enrol a certificate for *person*, whose private key is written at *path*."""
        key = ec.generate_private_key(ec.SECP256R1())
        certified = self._authority.certify(key.public_key(), self._now)
        await self._services.token_certificates.enrol(self._manager, self._hospital, person, certified.pem)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )


class SshCertificates:
    """One SSH authority that the hospital believes about its supplier, and the user certificates that it gives."""

    def __init__(self, services: Services, manager: PersonId, hospital: HospitalId, now: datetime) -> None:
        """Begin an authority at the aware instant *now*; *manager* makes it known."""
        self._services = services
        self._manager = manager
        self._hospital = hospital
        self._now = now
        self._key = Ed25519PrivateKey.generate()

    async def believe(self, supplier: SupplierId) -> None:
        """Make the authority known about *supplier*."""
        await self._services.login_authorities.add(
            self._manager,
            self._hospital,
            name="CA SSH Imagix",
            public_key=self._key.public_key()
            .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            .decode(),
            supplier_id=supplier,
        )

    def give(self, login: str, path: Path) -> None:
        """Certify a new key for *login*: the key at *path*, the certificate beside it where ssh looks for it."""
        key = Ed25519PrivateKey.generate()
        begins = self._now - timedelta(hours=1)
        certificate = (
            serialization.SSHCertificateBuilder()
            .public_key(key.public_key())
            .type(serialization.SSHCertificateType.USER)
            .key_id(login.encode())
            .valid_principals([login.encode()])
            .valid_after(begins.timestamp())
            .valid_before((begins + LASTS).timestamp())
            .add_extension(b"permit-pty", b"")
            .sign(self._key)
        )
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        path.with_name(f"{path.name}-cert.pub").write_bytes(certificate.public_bytes())
