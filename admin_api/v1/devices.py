"""Zones, devices, their pinned host keys and their dedicated accounts."""

from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import MANAGING, PLANNING, READING, RESUMING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.devices import (
    DeviceChange,
    DeviceIn,
    DeviceOut,
    DevicesPage,
    HostKeyIn,
    ZoneIn,
    ZoneOut,
    ZonesPage,
)
from policy.domain.ids import DeviceId, ZoneId

zones = APIRouter(prefix="/zones", tags=["zones"], route_class=GuardedRoute)
router = APIRouter(prefix="/devices", tags=["devices"], route_class=GuardedRoute)


@zones.get("", openapi_extra=READING)
async def list_zones(
    context: Ctx, who: Who, page: Paging, name: Annotated[str | None, Query(max_length=200)] = None
) -> ZonesPage:
    """List the admin-network zones, by name."""
    rows = await context.services.devices.zones(who.person.id, who.hospital_id)
    if name is not None:
        rows = [row for row in rows if row.name == name]
    return ZonesPage.part(rows, page, ZoneOut.of)


@zones.post("", status_code=201, openapi_extra=MANAGING)
async def add_zone(context: Ctx, who: Who, body: ZoneIn) -> ZoneOut:
    """Add a zone."""
    made = await context.services.devices.create_zone(
        who.person.id, who.hospital_id, name=body.name, source_address=body.source_address
    )
    return ZoneOut.of(made)


@zones.get("/{zone_id}", openapi_extra=READING)
async def get_zone(context: Ctx, who: Who, zone_id: str) -> ZoneOut:
    """Show one zone."""
    return ZoneOut.of(
        await context.services.devices.get_zone(who.person.id, who.hospital_id, ZoneId(zone_id))
    )


@router.get("", openapi_extra=READING)
async def list_devices(
    context: Ctx, who: Who, page: Paging, name: Annotated[str | None, Query(max_length=200)] = None
) -> DevicesPage:
    """List the devices, by name; ``name`` keeps the one of that name."""
    rows = await context.services.devices.list(who.person.id, who.hospital_id)
    if name is not None:
        rows = [row for row in rows if row.name == name]
    return DevicesPage.part(rows, page, DeviceOut.of)


@router.post("", status_code=201, openapi_extra=MANAGING)
async def add_device(context: Ctx, who: Who, body: DeviceIn) -> DeviceOut:
    """Add a device. Nothing is dialled before its host key is compared and pinned."""
    made = await context.services.devices.create(
        who.person.id,
        who.hospital_id,
        name=body.name,
        description=body.description,
        zone_id=ZoneId(body.zone_id),
        address=body.address,
        port=body.port,
        groups=frozenset(body.groups),
        algorithms=body.algorithms.domain(),
        level=body.level,
    )
    return DeviceOut.of(made)


@router.get("/{device_id}", openapi_extra=READING)
async def get_device(context: Ctx, who: Who, device_id: str) -> DeviceOut:
    """Show one device."""
    return DeviceOut.of(
        await context.services.devices.get(who.person.id, who.hospital_id, DeviceId(device_id))
    )


@router.patch("/{device_id}", openapi_extra=MANAGING)
async def change_device(context: Ctx, who: Who, device_id: str, body: DeviceChange) -> DeviceOut:
    """Change a device. Another address or port is another machine: host keys and accounts' secrets are forgotten."""
    changed = await context.services.devices.update(
        who.person.id,
        who.hospital_id,
        DeviceId(device_id),
        description=body.description,
        zone_id=ZoneId(body.zone_id) if body.zone_id is not None else None,
        address=body.address,
        port=body.port,
        groups=body.groups,
        algorithms=body.algorithms.domain() if body.algorithms is not None else None,
        level=body.level,
    )
    return DeviceOut.of(changed)


@router.post("/{device_id}/suspend", openapi_extra=STOPPING)
async def suspend_device(context: Ctx, who: Who, device_id: str, body: Reason) -> DeviceOut:
    """Isolate a device: nobody reaches it, and its sessions are cut. It is never powered off."""
    changed = await context.services.devices.suspend(
        who.person.id, who.hospital_id, DeviceId(device_id), reason=body.reason
    )
    return DeviceOut.of(changed)


@router.post("/{device_id}/resume", openapi_extra=RESUMING)
async def resume_device(context: Ctx, who: Who, device_id: str, body: Reason) -> DeviceOut:
    """Let a device be reached again."""
    changed = await context.services.devices.resume(
        who.person.id, who.hospital_id, DeviceId(device_id), reason=body.reason
    )
    return DeviceOut.of(changed)


@router.post("/{device_id}/host-keys", openapi_extra=PLANNING)
async def pin_host_key(context: Ctx, who: Who, device_id: str, body: HostKeyIn) -> DeviceOut:
    """Pin a host key that somebody compared at the device itself."""
    changed = await context.services.devices.pin_host_key(
        who.person.id, who.hospital_id, DeviceId(device_id), body.public_key
    )
    return DeviceOut.of(changed)


@router.post("/{device_id}/host-keys/unpin", openapi_extra=PLANNING)
async def unpin_host_key(context: Ctx, who: Who, device_id: str, body: HostKeyIn) -> DeviceOut:
    """Take a pinned host key away; a device without one is not dialled."""
    changed = await context.services.devices.unpin_host_key(
        who.person.id, who.hospital_id, DeviceId(device_id), body.public_key
    )
    return DeviceOut.of(changed)
