"""Log-in, log-out, who the caller is, and the tokens that are about."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, SecretStr

from admin_api.deps import Ctx, Paging, Who, source_of
from admin_api.security.permissions import ANYONE, EVERY_ROLE, GuardedRoute
from admin_api.security.tokens import bearer
from admin_api.v1.schemas.base import InOrder, Input, Page, example, shown
from admin_api.v1.schemas.people import PersonOut
from admin_api.v1.schemas.places import HospitalOut
from policy.domain.bearers import ApiToken
from policy.domain.ids import PersonId
from policy.domain.people import Role
from policy.vault.secret import Secret

router = APIRouter(tags=["tokens"], route_class=GuardedRoute)


class LoginIn(Input):
    """Both factors, in one dialogue."""

    model_config = example(login="denis", password="une phrase assez longue", code="492039")  # noqa: S106 - an example

    login: str = Field(max_length=200)
    password: SecretStr = Field(max_length=1024)
    code: str = Field(max_length=32)


class TokenOut(BaseModel):
    """A bearer token, shown once."""

    token: str
    expires: datetime
    person: PersonOut


class TokenEntry(BaseModel):
    """A token as the hospital keeps it: never the token itself, which exists nowhere but with its bearer."""

    model_config = example(
        id="70ce0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        person_id="9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        label="log-in",
        roles=["planner"],
        issued="2026-11-23T18:00:00Z",
        expires="2026-11-24T06:00:00Z",
        revoked=None,
        in_force=True,
    )

    id: str
    person_id: str
    label: str
    roles: InOrder[Role]
    issued: datetime
    expires: datetime
    revoked: datetime | None
    in_force: bool

    @classmethod
    def of(cls, token: ApiToken, at: datetime) -> "TokenEntry":
        """Show *token* as it stands at the aware instant *at*."""
        return shown(
            cls,
            token,
            issued=token.issued_at,
            expires=token.expires_at,
            revoked=token.revoked_at,
            in_force=token.open_at(at),
        )


class TokensPage(Page[TokenEntry]):
    """One page of tokens."""


class Me(BaseModel):
    """Who the caller is, and where."""

    person: PersonOut
    hospital: HospitalOut


@router.post("/login", openapi_extra=ANYONE)
async def login(request: Request, context: Ctx, body: LoginIn) -> TokenOut:
    """Exchange password and code for a token. The lock-out is the one of the SSH door."""
    services, settings = context.services, context.settings
    attempt = await services.login.begin(
        body.login, source_of(request), hospital_id=settings.hospital_id, console=True
    )
    person = await attempt.check_password_and_code(
        Secret(body.password.get_secret_value()), body.code.strip()
    )
    expires = context.clock.now() + settings.token_lifetime
    token = await services.tokens.issue(person, person.roles, settings.token_lifetime, "log-in")
    return TokenOut(token=token.reveal(), expires=expires, person=PersonOut.of(person))


@router.post("/logout", status_code=204, openapi_extra=EVERY_ROLE)
async def logout(request: Request, context: Ctx) -> None:
    """End the token that this call came with."""
    await context.services.tokens.revoke(bearer(request.headers.get("authorization")))


@router.get("/me", openapi_extra=EVERY_ROLE)
async def me(context: Ctx, who: Who) -> Me:
    """Show who the caller is."""
    hospital = await context.services.hospitals.get(who.hospital_id)
    return Me(person=PersonOut.of(who.person), hospital=HospitalOut.of(hospital))


@router.get("/tokens", openapi_extra=EVERY_ROLE)
async def list_tokens(
    context: Ctx,
    who: Who,
    page: Paging,
    person_id: Annotated[str | None, Query(max_length=64, description="Left out: everybody's.")] = None,
    prefix: Annotated[str | None, Query(pattern="^[0-9a-f]{1,32}$")] = None,
) -> TokensPage:
    """List tokens, the newest first. Everybody may list her own; others' are for the hospital's staff."""
    person = PersonId(person_id) if person_id is not None else None
    rows = await context.services.tokens.list(who.person.id, who.hospital_id, person_id=person)
    if prefix is not None:
        rows = [row for row in rows if row.id.startswith(prefix)]
    at = context.clock.now()
    return TokensPage.part(rows, page, lambda row: TokenEntry.of(row, at))


@router.post("/tokens/{token_id}/revoke", status_code=204, openapi_extra=EVERY_ROLE)
async def revoke_token(context: Ctx, who: Who, token_id: str) -> None:
    """End a token at once: one's own, or anybody's for those who may stop things."""
    await context.services.tokens.revoke_token(who.person.id, who.hospital_id, token_id)
