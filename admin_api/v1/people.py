"""People, their invitations and their public keys."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from admin_api.deps import Context, Ctx, Paging, Who
from admin_api.security.permissions import EVERY_ROLE, MANAGING, READING, RESUMING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason, shown
from admin_api.v1.schemas.people import (
    EngagementOut,
    EngagementsPage,
    Invitation,
    KeyChoice,
    KeyIn,
    KeyOut,
    KeysPage,
    MailOut,
    MailsPage,
    OnePost,
    PeoplePage,
    PersonDetails,
    PersonIn,
    PersonOut,
)
from policy.domain.ids import PersonId, SupplierId
from policy.services.people import Invited

_MAIL_PATIENCE_SECONDS: Final = 5.0

router = APIRouter(prefix="/people", tags=["people"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_people(
    context: Ctx,
    who: Who,
    page: Paging,
    login: Annotated[str | None, Query(max_length=200)] = None,
    supplier_id: Annotated[str | None, Query(max_length=64)] = None,
) -> PeoplePage:
    """List the people, by login; ``login`` keeps the one of that login, ``supplier_id`` those of a supplier."""
    supplier = SupplierId(supplier_id) if supplier_id is not None else None
    rows = await context.services.people.list(who.person.id, who.hospital_id, supplier_id=supplier)
    if login is not None:
        rows = [row for row in rows if row.login == login]
    return PeoplePage.part(rows, page, PersonOut.of)


@router.post("", status_code=201, openapi_extra=MANAGING)
async def add_person(context: Ctx, who: Who, body: PersonIn) -> PersonOut:
    """Add a person. She comes in only after an invitation that she finished."""
    made = await context.services.people.create(
        who.person.id,
        who.hospital_id,
        login=body.login,
        full_name=body.full_name,
        email=body.email,
        language=body.language,
        roles=frozenset(body.roles),
        supplier_id=SupplierId(body.supplier_id) if body.supplier_id is not None else None,
    )
    return PersonOut.of(made)


@router.get("/{person_id}", openapi_extra=READING)
async def get_person(context: Ctx, who: Who, person_id: str) -> PersonDetails:
    """Show one person, and whether she has finished an invitation."""
    people = context.services.people
    found = await people.get(who.person.id, who.hospital_id, PersonId(person_id))
    enrolled = await people.enrolled(who.person.id, who.hospital_id, found.id)
    return shown(PersonDetails, found, enrolled=enrolled)


@router.post("/{person_id}/invitation", status_code=201, openapi_extra=MANAGING)
async def invite_person(context: Ctx, who: Who, person_id: str) -> Invitation:
    """Make a one-time invitation, shown this once; one before it is void."""
    made = await context.services.people.invite(who.person.id, who.hospital_id, PersonId(person_id))
    return await _invitation(context, made)


@router.post("/{person_id}/renewal", status_code=201, openapi_extra=MANAGING)
async def renew_person(context: Ctx, who: Who, person_id: str, body: Reason) -> Invitation:
    """Invite again somebody who lost a factor: password, TOTP secret, keys and tokens are forgotten at once."""
    made = await context.services.people.renew(
        who.person.id, who.hospital_id, PersonId(person_id), reason=body.reason
    )
    return await _invitation(context, made)


@router.post("/{person_id}/suspend", openapi_extra=STOPPING)
async def suspend_person(context: Ctx, who: Who, person_id: str, body: Reason) -> PersonOut:
    """Suspend a person: she comes in no more, and her sessions are cut."""
    changed = await context.services.people.suspend(
        who.person.id, who.hospital_id, PersonId(person_id), reason=body.reason
    )
    return PersonOut.of(changed)


@router.post("/{person_id}/resume", openapi_extra=RESUMING)
async def resume_person(context: Ctx, who: Who, person_id: str, body: Reason) -> PersonOut:
    """Let a suspended person come in again."""
    changed = await context.services.people.resume(
        who.person.id, who.hospital_id, PersonId(person_id), reason=body.reason
    )
    return PersonOut.of(changed)


@router.post("/{person_id}/unlock", openapi_extra=RESUMING)
async def unlock_person(context: Ctx, who: Who, person_id: str) -> PersonOut:
    """Lift a lock-out that failures brought about."""
    changed = await context.services.people.unlock(who.person.id, who.hospital_id, PersonId(person_id))
    return PersonOut.of(changed)


@router.post("/{person_id}/post", openapi_extra=MANAGING)
async def bind_person(context: Ctx, who: Who, person_id: str, body: OnePost) -> PersonOut:
    """Let a person's sessions come from one source at a time, or from any number again."""
    changed = await context.services.people.bind_to_one_post(
        who.person.id, who.hospital_id, PersonId(person_id), one_post=body.one_post
    )
    return PersonOut.of(changed)


@router.get("/{person_id}/keys", openapi_extra=EVERY_ROLE)
async def list_keys(context: Ctx, who: Who, person_id: str, page: Paging) -> KeysPage:
    """List a person's public keys."""
    rows = await context.services.people.keys(who.person.id, who.hospital_id, PersonId(person_id))
    return KeysPage.part(rows, page, KeyOut.of, key=lambda row: row.fingerprint)


@router.post("/{person_id}/keys", status_code=201, openapi_extra=EVERY_ROLE)
async def add_key(context: Ctx, who: Who, person_id: str, body: KeyIn) -> KeyOut:
    """Add a public key; with it a code is still needed. One key never serves two people."""
    made = await context.services.people.add_key(
        who.person.id, who.hospital_id, PersonId(person_id), body.public_key
    )
    return KeyOut.of(made)


@router.post("/{person_id}/keys/remove", status_code=204, openapi_extra=EVERY_ROLE)
async def remove_key(context: Ctx, who: Who, person_id: str, body: KeyChoice) -> None:
    """Take a public key away."""
    await context.services.people.remove_key(
        who.person.id, who.hospital_id, PersonId(person_id), body.fingerprint
    )


@router.get("/{person_id}/engagements", openapi_extra=EVERY_ROLE)
async def list_engagements(context: Ctx, who: Who, person_id: str, page: Paging) -> EngagementsPage:
    """List what a person accepted: which text, which version, when, and from which address."""
    rows = await context.services.engagements.accepted(who.person.id, who.hospital_id, PersonId(person_id))
    return EngagementsPage.part(rows, page, EngagementOut.of, key=lambda row: f"{row.kind}.{row.version}")


@router.get("/{person_id}/mails", openapi_extra=READING)
async def list_mails(context: Ctx, who: Who, person_id: str, page: Paging) -> MailsPage:
    """List the last mails to a person, and what became of them."""
    rows = await context.services.mails.of_person(who.person.id, who.hospital_id, PersonId(person_id))
    return MailsPage.part(rows, page, MailOut.of)


async def _invitation(context: Context, made: Invited) -> Invitation:
    """Show an invitation once, with what became of its mail: a server that answers does so within seconds."""
    state, fault = "off", ""
    if made.mail_id is not None and context.mailer is not None:
        found, fault = await context.mailer.settled(made.mail_id, _MAIL_PATIENCE_SECONDS)
        state = found.value
    return Invitation(
        token=made.token.reveal(),
        expires=made.expires_at,
        link=None if made.link is None else made.link.reveal(),
        spoken_code=None if made.spoken_code is None else made.spoken_code.reveal(),
        mail=state,
        fault=fault,
    )
