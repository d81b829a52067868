"""The hospital's SSH authority that devices trust; its key never leaves the vault."""

from fastapi import APIRouter

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import MANAGING, READING, GuardedRoute
from admin_api.v1.schemas.authorities import AuthoritiesPage, AuthorityOut
from policy.domain.ids import AuthorityId

router = APIRouter(prefix="/device-authorities", tags=["accounts"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_authorities(context: Ctx, who: Who, page: Paging) -> AuthoritiesPage:
    """List the authorities, the first made first; devices trust all but the retired ones."""
    rows = await context.services.authorities.list(who.person.id, who.hospital_id)
    return AuthoritiesPage.part(rows, page, AuthorityOut.of)


@router.post("", status_code=201, openapi_extra=MANAGING)
async def make_authority(context: Ctx, who: Who) -> AuthorityOut:
    """Make an authority: the first one signs at once, the next one waits until the devices trust it."""
    return AuthorityOut.of(await context.services.authorities.make(who.person.id, who.hospital_id))


@router.post("/{authority_id}/switch", openapi_extra=MANAGING)
async def switch_authority(context: Ctx, who: Who, authority_id: str) -> AuthorityOut:
    """Have the waiting authority sign from now on. The key of the one before is destroyed."""
    changed = await context.services.authorities.switch(
        who.person.id, who.hospital_id, AuthorityId(authority_id)
    )
    return AuthorityOut.of(changed)
