"""Enrolment: the invited person, who has no token yet, chooses a password and takes a TOTP secret.

The invitation travels in the body only, so that no log of addresses ever holds it. An invitation that never was, one
that is over and one that was used are answered alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Request

from admin_api.deps import Ctx, Spoken, source_of
from admin_api.errors import InvitationRefused
from admin_api.security.permissions import ANYONE, GuardedRoute
from admin_api.v1.schemas.people import (
    EnrolmentAcceptance,
    EnrolmentCode,
    EnrolmentInvitation,
    EnrolmentPassword,
    EnrolmentTexts,
    PersonOut,
    Provisioning,
    TextOut,
)
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret

router = APIRouter(prefix="/enrolment", tags=["enrolment"], route_class=GuardedRoute)


@router.post("/password", openapi_extra=ANYONE)
async def choose_password(context: Ctx, body: EnrolmentPassword) -> Provisioning:
    """Choose the password and take a TOTP secret, shown this once. Both may be chosen again until confirmed."""
    with _refused():
        made = await context.services.people.enrol(
            Secret(body.invitation.get_secret_value()),
            Secret(body.password.get_secret_value()),
            body.spoken_code,
        )
    return Provisioning(login=made.login, uri=made.uri, secret=made.secret.reveal())


@router.post("/engagements", openapi_extra=ANYONE)
async def read_engagements(context: Ctx, language: Spoken, body: EnrolmentInvitation) -> EnrolmentTexts:
    """Read the charter and the engagements that the invited person has to accept."""
    with _refused():
        texts = await context.services.people.engagements(Secret(body.invitation.get_secret_value()))
    return EnrolmentTexts(items=[TextOut.of(text, language) for text in texts])


@router.post("/accept", status_code=204, openapi_extra=ANYONE)
async def accept(request: Request, context: Ctx, body: EnrolmentAcceptance) -> None:
    """Accept the texts, all that wait and each in the version that was read."""
    with _refused():
        await context.services.people.accept(
            Secret(body.invitation.get_secret_value()), body.versions, source_of(request)
        )


@router.post("/confirm", openapi_extra=ANYONE)
async def confirm(context: Ctx, body: EnrolmentCode) -> PersonOut:
    """Prove the TOTP secret with a first code; the invitation is then used up."""
    with _refused():
        person = await context.services.people.confirm_totp(
            Secret(body.invitation.get_secret_value()), body.code
        )
    return PersonOut.of(person)


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except AuthenticationFailed as failed:
        raise InvitationRefused from failed
