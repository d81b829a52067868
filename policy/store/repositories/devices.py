"""Devices and the zones they stand in."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.sql import Select

from policy.domain.devices import Device, Zone
from policy.domain.ids import DeviceId, HospitalId, ZoneId
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.devices.c
_g = t.device_groups.c


class Zones(Repository):
    """Table ``zones``."""

    async def insert(self, zone: Zone) -> None:
        """Add a zone."""
        await self._connection.execute(insert(t.zones).values(mapping.columns(zone)))

    async def update(self, zone: Zone) -> None:
        """Write the zone's present values."""
        where = (t.zones.c.hospital_id == zone.hospital_id) & (t.zones.c.id == zone.id)
        await self._connection.execute(update(t.zones).where(where).values(mapping.columns(zone)))

    async def get(self, hospital_id: HospitalId, zone_id: ZoneId) -> Zone:
        """Return the zone; raises NotFound."""
        where = (t.zones.c.hospital_id == hospital_id) & (t.zones.c.id == zone_id)
        return mapping.read(Zone, await self._only(select(t.zones).where(where), "zone", zone_id))

    async def list(self, hospital_id: HospitalId) -> Sequence[Zone]:
        """Return the hospital's zones, by name."""
        query = select(t.zones).where(t.zones.c.hospital_id == hospital_id).order_by(t.zones.c.name)
        return [mapping.read(Zone, row) for row in await self._connection.execute(query)]


class Devices(Repository):
    """Tables ``devices`` and ``device_groups``."""

    async def insert(self, device: Device) -> None:
        """Add a device."""
        await self._connection.execute(insert(t.devices).values(mapping.device_row(device)))
        await self._join_groups(device)

    async def update(self, device: Device) -> None:
        """Write the device's present values."""
        where = (_c.hospital_id == device.hospital_id) & (_c.id == device.id)
        await self._connection.execute(update(t.devices).where(where).values(mapping.device_row(device)))
        leave = delete(t.device_groups).where(
            (_g.hospital_id == device.hospital_id) & (_g.device_id == device.id)
        )
        await self._connection.execute(leave)
        await self._join_groups(device)

    async def get(self, hospital_id: HospitalId, device_id: DeviceId) -> Device:
        """Return the device; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == device_id)
        found = await self._load(select(t.devices).where(where))
        if not found:
            raise NotFound("device", device_id)
        return found[0]

    async def by_name(self, hospital_id: HospitalId, name: str) -> Device | None:
        """Return the device of that name, None where there is none in this hospital."""
        found = await self._load(select(t.devices).where((_c.hospital_id == hospital_id) & (_c.name == name)))
        return found[0] if found else None

    async def list(self, hospital_id: HospitalId) -> Sequence[Device]:
        """Return the hospital's devices, by name."""
        return await self._load(select(t.devices).where(_c.hospital_id == hospital_id).order_by(_c.name))

    async def in_groups(self, hospital_id: HospitalId, groups: Sequence[str]) -> Sequence[Device]:
        """Return the devices that stand in any of *groups*, by name."""
        members = select(_g.device_id).where((_g.hospital_id == hospital_id) & _g.name.in_(groups))
        where = (_c.hospital_id == hospital_id) & _c.id.in_(members)
        return await self._load(select(t.devices).where(where).order_by(_c.name))

    async def _load(self, query: Select[*tuple[object, ...]]) -> Sequence[Device]:
        rows = (await self._connection.execute(query)).all()
        if not rows:
            return []
        wanted = (_g.hospital_id == rows[0].hospital_id) & _g.device_id.in_([row.id for row in rows])
        groups: dict[str, set[str]] = {}
        for member in await self._connection.execute(select(_g.device_id, _g.name).where(wanted)):
            groups.setdefault(member.device_id, set()).add(member.name)
        return [mapping.device(row, groups.get(row.id, ())) for row in rows]

    async def _join_groups(self, device: Device) -> None:
        rows = [
            {"hospital_id": device.hospital_id, "device_id": device.id, "name": name}
            for name in sorted(device.groups)
        ]
        if rows:
            await self._connection.execute(insert(t.device_groups), rows)
