"""Log-in, log-out, and who the caller is."""

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from admin_api.deps import Ctx, Who, source_of
from admin_api.security.permissions import ANYONE, EVERY_ROLE, GuardedRoute
from admin_api.security.tokens import bearer
from admin_api.v1.schemas.base import Input, example
from admin_api.v1.schemas.people import PersonOut
from admin_api.v1.schemas.places import HospitalOut
from policy.vault.secret import Secret

router = APIRouter(tags=["tokens"], route_class=GuardedRoute)


class LoginIn(Input):
    """Both factors, in one dialogue."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=example(login="denis", password="une phrase assez longue", code="492039"),  # noqa: S106 - an example
    )

    login: str = Field(max_length=200)
    password: SecretStr = Field(max_length=1024)
    code: str = Field(max_length=32)


class TokenOut(BaseModel):
    """A bearer token, shown once."""

    token: str
    expires: datetime
    person: PersonOut


class Me(BaseModel):
    """Who the caller is, and where."""

    person: PersonOut
    hospital: HospitalOut


@router.post("/login", openapi_extra=ANYONE)
async def login(request: Request, context: Ctx, body: LoginIn) -> TokenOut:
    """Exchange password and code for a token. The lock-out is the one of the SSH door."""
    services, settings = context.services, context.settings
    attempt = await services.login.begin(body.login, source_of(request), hospital_id=settings.hospital_id)
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
