"""What a technician's SSH configuration is made of: where the gateway is, its host CA, and where she may go."""

from fastapi import APIRouter
from pydantic import BaseModel

from admin_api.deps import Ctx, Who
from admin_api.security.permissions import EVERY_ROLE, READING, GuardedRoute
from admin_api.v1.schemas.base import example
from policy.domain.ids import PersonId
from policy.domain.people import Language

router = APIRouter(tags=["ssh"], route_class=GuardedRoute)


class GatewayOut(BaseModel):
    """The gateway, as SSH clients know it."""

    model_config = example(
        names=["bastion.hospital.example"],
        port=2222,
        host_authority="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBHO0Wkd0nSPlpDDuHgMbkSMeEUM5K5y8BCMcmdWaDlE",
    )

    names: list[str]
    port: int
    host_authority: str | None


class WayOut(BaseModel):
    """A device that an approved window opens to the person, now or later, and the accounts that it allows."""

    device: str
    accounts: list[str]


class WaysOut(BaseModel):
    """Where a person may go, now or later, by device."""

    model_config = example(login="alice", language="fr", ways=[{"device": "scan01", "accounts": ["maint"]}])

    login: str
    language: Language
    ways: list[WayOut]


@router.get("/ssh", openapi_extra=EVERY_ROLE)
async def gateway(context: Ctx, who: Who) -> GatewayOut:
    """Tell where the gateway is and which CA signs its host keys: the public part alone."""
    del who
    place = context.settings.gateway
    return GatewayOut(names=list(place.names), port=place.port, host_authority=place.authority)


@router.get("/people/{person_id}/ways", openapi_extra=READING)
async def ways(context: Ctx, who: Who, person_id: str) -> WaysOut:
    """Tell where a person may go, now or later: what her SSH configuration lists. Nothing is decided here."""
    person = await context.services.people.get(who.person.id, who.hospital_id, PersonId(person_id))
    found = await context.services.access.ways(who.hospital_id, person.id)
    return WaysOut(
        login=person.login,
        language=person.language,
        ways=[WayOut(device=way.device_name, accounts=list(way.account_names)) for way in found],
    )
