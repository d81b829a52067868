"""Shapes of token certificates, trust anchors, revocation lists and SSH authorities of people."""

from datetime import datetime

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from admin_api.v1.schemas.base import Identifier, Input, Text, example
from policy.domain.certificates import (
    LoginAuthority,
    RevocationList,
    TokenCertificate,
    TrustAnchor,
    WhenStale,
)

_PEM = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"


class TokenCertificateOut(BaseModel):
    """A certificate bound to the key in a person's token."""

    id: str
    key_fingerprint: str
    fingerprint: str
    subject: str
    not_before: datetime
    not_after: datetime
    added_at: datetime

    @classmethod
    def of(cls, certificate: TokenCertificate) -> "TokenCertificateOut":
        """Show *certificate*."""
        return cls(
            id=certificate.id,
            key_fingerprint=certificate.key_fingerprint,
            fingerprint=certificate.fingerprint,
            subject=certificate.subject,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            added_at=certificate.added_at,
        )


class TokenCertificatesPage(BaseModel):
    """A person's token certificates."""

    items: list[TokenCertificateOut]
    next: str | None = None


class TokenCertificateIn(Input):
    """A certificate with its intermediates after it (PEM). Whoever enrols it vouches that the key is in a token."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(certificate=_PEM))

    certificate: str = Field(min_length=20, max_length=65536)
    label: str = Field(default="", max_length=200)


class AnchorOut(BaseModel):
    """An authority that is believed about tokens; ``supplier_id``: about this supplier's people alone."""

    id: str
    name: str
    fingerprint: str
    supplier_id: str | None
    crl_urls: list[str]
    ocsp_url: str | None
    when_stale: WhenStale
    added_at: datetime

    @classmethod
    def of(cls, anchor: TrustAnchor) -> "AnchorOut":
        """Show *anchor*."""
        return cls(
            id=anchor.id,
            name=anchor.name,
            fingerprint=anchor.fingerprint,
            supplier_id=anchor.supplier_id,
            crl_urls=list(anchor.crl_urls),
            ocsp_url=anchor.ocsp_url,
            when_stale=anchor.when_stale,
            added_at=anchor.added_at,
        )


class AnchorsPage(BaseModel):
    """The hospital's trust anchors."""

    items: list[AnchorOut]
    next: str | None = None


class AnchorIn(Input):
    """An authority to believe, which must certify keys in tokens only: a token counts as two factors."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(
            name="IGC Imagix", certificate=_PEM, crl_urls=["http://pki.imagix.example/personnes.crl"]
        ),
    )

    name: Text
    certificate: str = Field(min_length=20, max_length=65536)
    supplier_id: Identifier | None = None
    crl_urls: list[str] = Field(default_factory=list, max_length=8)
    ocsp_url: str | None = Field(default=None, max_length=500)
    when_stale: WhenStale = WhenStale.REFUSE


class AnchorChange(Input):
    """What to change; what is left out stays, and an empty ``ocsp_url`` asks nobody any more."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(when_stale="refuse"))

    crl_urls: list[str] | None = Field(default=None, max_length=8)
    ocsp_url: str | None = Field(default=None, max_length=500)
    when_stale: WhenStale | None = None


class RevocationListOut(BaseModel):
    """A revocation list at hand, which is stale from ``next_update`` on."""

    source: str
    this_update: datetime
    next_update: datetime
    taken_at: datetime

    @classmethod
    def of(cls, taken: RevocationList) -> "RevocationListOut":
        """Show *taken*."""
        return cls(
            source=taken.source,
            this_update=taken.this_update,
            next_update=taken.next_update,
            taken_at=taken.taken_at,
        )


class RevocationListsPage(BaseModel):
    """The revocation lists of an anchor."""

    items: list[RevocationListOut]
    next: str | None = None


class RevocationListIn(Input):
    """A revocation list brought by hand: DER or PEM, or OpenSSH's KRL for an SSH authority; in base64."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(content="MIIB"))

    content: Base64Bytes = Field(max_length=1024 * 1024)


class LoginAuthorityOut(BaseModel):
    """An SSH authority whose user certificates let people in."""

    id: str
    name: str
    public_key: str
    fingerprint: str
    supplier_id: str | None
    krl_at: datetime | None
    added_at: datetime

    @classmethod
    def of(cls, authority: LoginAuthority) -> "LoginAuthorityOut":
        """Show *authority*."""
        return cls(
            id=authority.id,
            name=authority.name,
            public_key=authority.public_key,
            fingerprint=authority.fingerprint,
            supplier_id=authority.supplier_id,
            krl_at=authority.krl_at,
            added_at=authority.added_at,
        )


class LoginAuthoritiesPage(BaseModel):
    """The SSH authorities of people."""

    items: list[LoginAuthorityOut]
    next: str | None = None


class LoginAuthorityIn(Input):
    """An SSH authority to believe: its plain public key, as one OpenSSH line."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(name="CA Imagix", public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA… ca"),
    )

    name: Text
    public_key: str = Field(min_length=20, max_length=16384)
    supplier_id: Identifier | None = None
