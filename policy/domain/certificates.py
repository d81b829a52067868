"""Certificates that people log in with, and whom the hospital believes about them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId, SupplierId


class WhenStale(StrEnum):
    """What a certificate is worth while nobody can tell whether it was revoked."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A certification authority whose certificates stand for tokens, for one population.

    ``certificate`` is DER, ``fingerprint`` the hexadecimal SHA-256 of it. ``supplier_id``: for this supplier's
    people alone; None: for everybody of the hospital. ``crl_urls`` are fetched by the console, ``ocsp_url`` is
    asked at each log-in. ``added_at`` is aware UTC.
    """

    id: str
    hospital_id: HospitalId
    name: str
    certificate: bytes
    fingerprint: str
    supplier_id: SupplierId | None
    crl_urls: tuple[str, ...]
    ocsp_url: str | None
    when_stale: WhenStale
    added_at: datetime

    def serves(self, supplier_id: SupplierId | None) -> bool:
        """Tell whether it is believed about people of that supplier (None: the hospital's own)."""
        return self.supplier_id is None or self.supplier_id == supplier_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A CRL (DER) taken for an anchor; ``issuer`` names who signed it, ``source`` where it came from.

    The instants are aware UTC; from ``next_update`` on the list is stale.
    """

    hospital_id: HospitalId
    anchor_id: str
    issuer: str
    der: bytes
    this_update: datetime
    next_update: datetime
    source: str
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCertificate:
    """An X.509 certificate of a person, bound to the key on her token.

    ``pem`` is the certificate followed by its intermediates; ``fingerprint`` the hexadecimal SHA-256 of the
    certificate, ``key_fingerprint`` that of its key as OpenSSH says it. The instants are aware UTC.
    ``revoked_as``: what the responder ``revoked_by`` said of it at ``revoked_at``, once it said that it is revoked.
    """

    id: str
    hospital_id: HospitalId
    person_id: PersonId
    key_fingerprint: str
    fingerprint: str
    pem: str
    subject: str
    not_before: datetime
    not_after: datetime
    added_at: datetime
    revoked_as: str | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAuthority:
    """An SSH authority whose user certificates let people in; a plain key, given as its OpenSSH line.

    ``supplier_id`` as for a trust anchor. ``krl`` is its key revocation list in OpenSSH's format, taken at
    ``krl_at``; the instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    name: str
    public_key: str
    fingerprint: str
    supplier_id: SupplierId | None
    krl: bytes | None
    krl_at: datetime | None
    added_at: datetime

    def serves(self, supplier_id: SupplierId | None) -> bool:
        """Tell whether it is believed about people of that supplier (None: the hospital's own)."""
        return self.supplier_id is None or self.supplier_id == supplier_id
