"""Enrolment: the invited person, who has no token yet, chooses a password and takes a TOTP secret.

The invitation travels in the body only, so that no log of addresses ever holds it. An invitation that never was, one
that is over and one that was used are answered alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter

from admin_api.deps import Ctx
from admin_api.errors import InvitationRefused
from admin_api.security.permissions import ANYONE, GuardedRoute
from admin_api.v1.schemas.people import EnrolmentCode, EnrolmentPassword, PersonOut, Provisioning
from policy.errors import AuthenticationFailed
from policy.vault.secret import Secret

router = APIRouter(prefix="/enrolment", tags=["enrolment"], route_class=GuardedRoute)


@router.post("/password", openapi_extra=ANYONE)
async def choose_password(context: Ctx, body: EnrolmentPassword) -> Provisioning:
    """Choose the password and take a TOTP secret, shown this once. Both may be chosen again until confirmed."""
    with _refused():
        made = await context.services.people.enrol(
            Secret(body.invitation.get_secret_value()), Secret(body.password.get_secret_value())
        )
    return Provisioning(login=made.login, uri=made.uri, secret=made.secret.reveal())


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
