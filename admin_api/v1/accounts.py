"""Dedicated accounts of devices. Their secrets are written here, and read nowhere (rule T9)."""

from fastapi import APIRouter
from pydantic import SecretStr

from admin_api.deps import Context, Ctx, Paging, Who
from admin_api.security.permissions import MANAGING, READING, RESUMING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.devices import AccountIn, AccountOut, AccountsPage, SecretIn
from policy.domain.ids import AccountId, DeviceId
from policy.errors import NotFound
from policy.services.tokens import Principal
from policy.vault.secret import Secret

router = APIRouter(prefix="/devices/{device_id}/accounts", tags=["accounts"], route_class=GuardedRoute)


@router.get("", openapi_extra=READING)
async def list_accounts(context: Ctx, who: Who, device_id: str, page: Paging) -> AccountsPage:
    """List a device's dedicated accounts."""
    rows = await context.services.devices.accounts(who.person.id, who.hospital_id, DeviceId(device_id))
    return AccountsPage.part(rows, page, AccountOut.of)


@router.post("", status_code=201, openapi_extra=MANAGING)
async def add_account(context: Ctx, who: Who, device_id: str, body: AccountIn) -> AccountOut:
    """Put a dedicated account into the vault. A secret that serves another account is refused."""
    made = await context.services.devices.add_account(
        who.person.id,
        who.hospital_id,
        DeviceId(device_id),
        name=body.name,
        method=body.method,
        secret=_secret(body.secret),
    )
    return AccountOut.of(made)


@router.put("/{account_id}/secret", openapi_extra=MANAGING)
async def replace_secret(
    context: Ctx, who: Who, device_id: str, account_id: str, body: SecretIn
) -> AccountOut:
    """Replace an account's secret by the one now set on the device."""
    account = await _account(context, who, device_id, account_id)
    changed = await context.services.devices.replace_secret(
        who.person.id, who.hospital_id, account, _secret(body.secret), method=body.method
    )
    return AccountOut.of(changed)


@router.post("/{account_id}/suspend", openapi_extra=STOPPING)
async def suspend_account(
    context: Ctx, who: Who, device_id: str, account_id: str, body: Reason
) -> AccountOut:
    """Let no session use the account, and end those that do."""
    account = await _account(context, who, device_id, account_id)
    changed = await context.services.devices.suspend_account(
        who.person.id, who.hospital_id, account, reason=body.reason
    )
    return AccountOut.of(changed)


@router.post("/{account_id}/resume", openapi_extra=RESUMING)
async def resume_account(context: Ctx, who: Who, device_id: str, account_id: str, body: Reason) -> AccountOut:
    """Let sessions use the account again."""
    account = await _account(context, who, device_id, account_id)
    changed = await context.services.devices.resume_account(
        who.person.id, who.hospital_id, account, reason=body.reason
    )
    return AccountOut.of(changed)


def _secret(written: SecretStr | None) -> Secret | None:
    return None if written is None else Secret(written.get_secret_value())


async def _account(context: Context, who: Principal, device_id: str, account_id: str) -> AccountId:
    """Return the account's id; raises NotFound where it is not that device's."""
    rows = await context.services.devices.accounts(who.person.id, who.hospital_id, DeviceId(device_id))
    found = next((row.id for row in rows if row.id == account_id), None)
    if found is None:
        raise NotFound("account", account_id)
    return found
