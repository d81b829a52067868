"""Whom the hospital believes about people's certificates: anchors of tokens, SSH authorities, and what they revoked."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import EVERY_ROLE, MANAGING, READING, RESUMING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.certificates import (
    AnchorChange,
    AnchorIn,
    AnchorOut,
    AnchorsPage,
    LoginAuthoritiesPage,
    LoginAuthorityIn,
    LoginAuthorityOut,
    RevocationListIn,
    RevocationListOut,
    RevocationListsPage,
    TokenCertificateIn,
    TokenCertificateOut,
    TokenCertificatesPage,
)
from policy.domain.ids import PersonId, SupplierId

anchors = APIRouter(prefix="/trust-anchors", tags=["factors"], route_class=GuardedRoute)
authorities = APIRouter(prefix="/login-authorities", tags=["factors"], route_class=GuardedRoute)
certificates = APIRouter(prefix="/people", tags=["people"], route_class=GuardedRoute)


@anchors.get("", openapi_extra=READING)
async def list_anchors(context: Ctx, who: Who, page: Paging) -> AnchorsPage:
    """List the authorities that are believed about tokens, by name."""
    rows = await context.services.anchors.list(who.person.id, who.hospital_id)
    return AnchorsPage.part(rows, page, AnchorOut.of)


@anchors.post("", status_code=201, openapi_extra=MANAGING)
async def add_anchor(context: Ctx, who: Who, body: AnchorIn) -> AnchorOut:
    """Believe an authority about the tokens of one supplier's people, or of everybody."""
    made = await context.services.anchors.add(
        who.person.id,
        who.hospital_id,
        name=body.name,
        certificate=body.certificate,
        supplier_id=SupplierId(body.supplier_id) if body.supplier_id is not None else None,
        crl_urls=body.crl_urls,
        ocsp_url=body.ocsp_url,
        when_stale=body.when_stale,
    )
    return AnchorOut.of(made)


@anchors.patch("/{anchor_id}", openapi_extra=MANAGING)
async def change_anchor(context: Ctx, who: Who, anchor_id: str, body: AnchorChange) -> AnchorOut:
    """Change where revocations are learned, or what is done while nobody can tell."""
    changed = await context.services.anchors.change(
        who.person.id,
        who.hospital_id,
        anchor_id,
        crl_urls=body.crl_urls,
        ocsp_url=body.ocsp_url,
        when_stale=body.when_stale,
    )
    return AnchorOut.of(changed)


@anchors.post("/{anchor_id}/remove", status_code=204, openapi_extra=MANAGING)
async def remove_anchor(context: Ctx, who: Who, anchor_id: str, body: Reason) -> None:
    """Believe an authority no longer: tokens that lead to it alone let nobody in."""
    await context.services.anchors.remove(who.person.id, who.hospital_id, anchor_id, reason=body.reason)


@anchors.get("/{anchor_id}/lists", openapi_extra=READING)
async def list_lists(context: Ctx, who: Who, anchor_id: str, page: Paging) -> RevocationListsPage:
    """List the revocation lists at hand for an anchor, the newest first."""
    rows = await context.services.anchors.lists(who.person.id, who.hospital_id, anchor_id)
    return RevocationListsPage.part(rows, page, RevocationListOut.of, key=lambda row: row.issuer)


@anchors.post("/{anchor_id}/lists", status_code=201, openapi_extra=RESUMING)
async def bring_list(context: Ctx, who: Who, anchor_id: str, body: RevocationListIn) -> RevocationListOut:
    """Bring a revocation list by hand; a larger one than a request may hold is fetched from its address."""
    taken = await context.services.anchors.take_list(who.person.id, who.hospital_id, anchor_id, body.content)
    return RevocationListOut.of(taken)


@authorities.get("", openapi_extra=READING)
async def list_login_authorities(context: Ctx, who: Who, page: Paging) -> LoginAuthoritiesPage:
    """List the SSH authorities whose user certificates let people in, by name."""
    rows = await context.services.login_authorities.list(who.person.id, who.hospital_id)
    return LoginAuthoritiesPage.part(rows, page, LoginAuthorityOut.of)


@authorities.post("", status_code=201, openapi_extra=MANAGING)
async def add_login_authority(context: Ctx, who: Who, body: LoginAuthorityIn) -> LoginAuthorityOut:
    """Believe an SSH authority about one supplier's people, or everybody; a code is needed besides."""
    made = await context.services.login_authorities.add(
        who.person.id,
        who.hospital_id,
        name=body.name,
        public_key=body.public_key,
        supplier_id=SupplierId(body.supplier_id) if body.supplier_id is not None else None,
    )
    return LoginAuthorityOut.of(made)


@authorities.post("/{authority_id}/krl", openapi_extra=RESUMING)
async def bring_krl(context: Ctx, who: Who, authority_id: str, body: RevocationListIn) -> LoginAuthorityOut:
    """Revoke what OpenSSH's key revocation list names, from now on."""
    taken = await context.services.login_authorities.take_krl(
        who.person.id, who.hospital_id, authority_id, body.content
    )
    return LoginAuthorityOut.of(taken)


@authorities.post("/{authority_id}/remove", status_code=204, openapi_extra=MANAGING)
async def remove_login_authority(context: Ctx, who: Who, authority_id: str, body: Reason) -> None:
    """Believe an SSH authority no longer: its certificates let nobody in."""
    await context.services.login_authorities.remove(
        who.person.id, who.hospital_id, authority_id, reason=body.reason
    )


@certificates.get("/{person_id}/certificates", openapi_extra=EVERY_ROLE)
async def list_certificates(context: Ctx, who: Who, person_id: str, page: Paging) -> TokenCertificatesPage:
    """List a person's token certificates, the one that lasts longest first."""
    rows = await context.services.token_certificates.list(who.person.id, who.hospital_id, PersonId(person_id))
    return TokenCertificatesPage.part(rows, page, TokenCertificateOut.of)


@certificates.post("/{person_id}/certificates", status_code=201, openapi_extra=MANAGING)
async def add_certificate(
    context: Ctx, who: Who, person_id: str, body: TokenCertificateIn
) -> TokenCertificateOut:
    """Bind the certificate of a token to a person; it is removed with its key."""
    made = await context.services.token_certificates.enrol(
        who.person.id, who.hospital_id, PersonId(person_id), body.certificate, label=body.label
    )
    return TokenCertificateOut.of(made)
