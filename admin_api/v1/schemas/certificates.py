"""Shapes of token certificates, trust anchors, revocation lists and SSH authorities of people."""

from datetime import datetime

from pydantic import Base64Bytes, Field

from admin_api.v1.schemas.base import Identifier, Input, Page, Shown, Text, example
from policy.domain.certificates import (
    WhenStale,
)

_PEM = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"


class TokenCertificateOut(Shown):
    """A certificate bound to the key in a person's token."""

    id: str
    key_fingerprint: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime
    added_at: datetime


class TokenCertificatesPage(Page[TokenCertificateOut]):
    """A person's token certificates."""


class TokenCertificateIn(Input):
    """A certificate with its intermediates after it (PEM). Whoever enrols it vouches that the key is in a token."""

    model_config = example(certificate=_PEM)

    certificate: str = Field(min_length=20, max_length=65536)
    label: str = Field(default="", max_length=200)


class AnchorOut(Shown):
    """An authority that is believed about tokens; ``supplier_id``: about this supplier's people alone."""

    id: str
    name: str
    fingerprint: str
    supplier_id: str | None
    crl_urls: list[str]
    ocsp_url: str | None
    when_stale: WhenStale
    added_at: datetime


class AnchorsPage(Page[AnchorOut]):
    """The hospital's trust anchors."""


class AnchorIn(Input):
    """An authority to believe, which must certify keys in tokens only: a token counts as two factors."""

    model_config = example(
        name="IGC Imagix", certificate=_PEM, crl_urls=["http://pki.imagix.example/personnes.crl"]
    )

    name: Text
    certificate: str = Field(min_length=20, max_length=65536)
    supplier_id: Identifier | None = None
    crl_urls: list[str] = Field(default_factory=list, max_length=8)
    ocsp_url: str | None = Field(default=None, max_length=500)
    when_stale: WhenStale = WhenStale.REFUSE


class AnchorChange(Input):
    """What to change; what is left out stays, and an empty ``ocsp_url`` asks nobody any more."""

    model_config = example(when_stale="refuse")

    crl_urls: list[str] | None = Field(default=None, max_length=8)
    ocsp_url: str | None = Field(default=None, max_length=500)
    when_stale: WhenStale | None = None


class RevocationListOut(Shown):
    """A revocation list at hand, which is stale from ``next_update`` on."""

    source: str
    this_update: datetime
    next_update: datetime
    taken_at: datetime


class RevocationListsPage(Page[RevocationListOut]):
    """The revocation lists of an anchor."""


class RevocationListIn(Input):
    """A revocation list brought by hand: DER or PEM, or OpenSSH's KRL for an SSH authority; in base64."""

    model_config = example(content="MIIB")

    content: Base64Bytes = Field(max_length=1024 * 1024)


class LoginAuthorityOut(Shown):
    """An SSH authority whose user certificates let people in."""

    id: str
    name: str
    public_key: str
    fingerprint: str
    supplier_id: str | None
    krl_at: datetime | None
    added_at: datetime


class LoginAuthoritiesPage(Page[LoginAuthorityOut]):
    """The SSH authorities of people."""


class LoginAuthorityIn(Input):
    """An SSH authority to believe: its plain public key, as one OpenSSH line."""

    model_config = example(name="CA Imagix", public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… ca")

    name: Text
    public_key: str = Field(min_length=20, max_length=16384)
    supplier_id: Identifier | None = None
