"""Devices: where they stand, which host keys are pinned, and their dedicated accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from policy.authn import ssh_keys
from policy.domain.devices import Algorithms, Device, Quirk, Zone
from policy.domain.factors import Level
from policy.domain.ids import DeviceId, HospitalId, PersonId, ZoneId, new_id
from policy.errors import NameTaken, NotFound
from policy.services import inputs
from policy.services.accounts import AccountService
from policy.services.duties import Duty
from policy.store.plain import described


class DeviceService(AccountService):
    """The registry of zones, devices and accounts."""

    async def create_zone(
        self, actor: PersonId, hospital_id: HospitalId, *, name: str, source_address: str | None = None
    ) -> Zone:
        """Add a zone whose devices are dialled from *source_address*, an address of the gateway's host.

        Raises InvalidInput, and Conflict for a name taken.
        """
        zone = Zone(
            id=ZoneId(new_id()),
            hospital_id=hospital_id,
            name=inputs.line(name, "name"),
            source_address=None
            if source_address is None
            else inputs.address(source_address, "source_address"),
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            if any(other.name == zone.name for other in await work.zones.list(hospital_id)):
                raise NameTaken(f"there is a zone called {zone.name!r} already")
            await work.zones.insert(zone)
            await work.emit("zone.created", hospital_id, zone.id, {}, described(zone))
        return zone

    async def get_zone(self, actor: PersonId, hospital_id: HospitalId, zone_id: ZoneId) -> Zone:
        """Return one zone; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.zones.get(hospital_id, zone_id)

    async def zones(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Zone]:
        """Return the hospital's zones, by name."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.zones.list(hospital_id)

    async def create(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        name: str,
        zone_id: ZoneId,
        address: str,
        port: int = 22,
        description: str = "",
        groups: Iterable[str] = (),
        algorithms: Algorithms | None = None,
        level: Level = Level.STANDARD,
    ) -> Device:
        """Add a device. Nothing is dialled before a host key is compared and pinned.

        Raises InvalidInput, NotFound for the zone, Conflict for a name taken.
        """
        device = Device(
            id=DeviceId(new_id()),
            hospital_id=hospital_id,
            name=inputs.name(name, "name"),
            description=inputs.line(description, "description", longest=500, empty=True),
            zone_id=zone_id,
            address=inputs.address(address),
            port=inputs.port(port),
            host_keys=(),
            groups=_groups(groups),
            algorithms=_algorithms(algorithms or Algorithms()),
            active=True,
            level=inputs.choice(Level, level, "level"),
        )
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            await work.zones.get(hospital_id, zone_id)
            if await work.devices.by_name(hospital_id, device.name) is not None:
                raise NameTaken(f"there is a device called {device.name!r} already")
            await work.devices.insert(device)
            await work.emit("device.created", hospital_id, device.id, {}, described(device))
        return device

    async def update(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        device_id: DeviceId,
        *,
        description: str | None = None,
        zone_id: ZoneId | None = None,
        address: str | None = None,
        port: int | None = None,
        groups: Iterable[str] | None = None,
        algorithms: Algorithms | None = None,
        level: Level | None = None,
    ) -> Device:
        """Change a device. Another address or port is another machine: it must be recognised and trusted anew.

        Its pinned host keys are forgotten, and the secrets of its accounts with them: whoever may say where the
        device stands could else have them sent to a machine of her own.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.devices.get(hospital_id, device_id)
            after = before
            if description is not None:
                text = inputs.line(description, "description", longest=500, empty=True)
                after = replace(after, description=text)
            if zone_id is not None:
                after = replace(after, zone_id=(await work.zones.get(hospital_id, zone_id)).id)
            if address is not None:
                after = replace(after, address=inputs.address(address))
            if port is not None:
                after = replace(after, port=inputs.port(port))
            if groups is not None:
                after = replace(after, groups=_groups(groups))
            if algorithms is not None:
                after = replace(after, algorithms=_algorithms(algorithms))
            if level is not None:
                after = replace(after, level=inputs.choice(Level, level, "level"))
            if (after.address, after.port) != (before.address, before.port):
                after = replace(after, host_keys=())
                await self._forget_secrets(work, after)
            await work.devices.update(after)
            await work.emit("device.updated", hospital_id, device_id, described(before), described(after))
        return after

    async def suspend(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId, *, reason: str
    ) -> Device:
        """Isolate a device: nobody reaches it, and its sessions end. It is never powered off."""
        return await self._turn(actor, hospital_id, device_id, active=False, reason=reason)

    async def resume(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId, *, reason: str
    ) -> Device:
        """Let a device be reached again, as its windows say."""
        return await self._turn(actor, hospital_id, device_id, active=True, reason=reason)

    async def pin_host_key(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId, public_line: str
    ) -> Device:
        """Trust a host key that somebody compared at the device itself; pinning it twice changes nothing.

        Raises InvalidInput for a key too weak, or not in OpenSSH form.
        """
        parsed = ssh_keys.parse(public_line)
        line = " ".join(public_line.split()[:2])
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            before = await work.devices.get(hospital_id, device_id)
            if line in before.host_keys:
                return before
            after = replace(before, host_keys=(*before.host_keys, line))
            await work.devices.update(after)
            shown = {"fingerprint": parsed.fingerprint, "key": line}
            await work.emit("device.host_key_pinned", hospital_id, device_id, {}, shown)
        return after

    async def unpin_host_key(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId, key: str
    ) -> Device:
        """Trust a host key no longer; *key* is its line, or its fingerprint (``SHA256:…``). Raises NotFound."""
        wanted = key.strip() if key.startswith("SHA256:") else ssh_keys.parse(key).fingerprint
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            before = await work.devices.get(hospital_id, device_id)
            kept = tuple(line for line in before.host_keys if ssh_keys.parse(line).fingerprint != wanted)
            if kept == before.host_keys:
                raise NotFound("pinned host key", wanted)
            after = replace(before, host_keys=kept)
            await work.devices.update(after)
            await work.emit("device.host_key_unpinned", hospital_id, device_id, {"fingerprint": wanted}, {})
        return after

    async def get(self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId) -> Device:
        """Return one device; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.devices.get(hospital_id, device_id)

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Device]:
        """Return the hospital's devices, by name."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.devices.list(hospital_id)

    async def _turn(
        self, actor: PersonId, hospital_id: HospitalId, device_id: DeviceId, *, active: bool, reason: str
    ) -> Device:
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.RESUME if active else Duty.STOP) as work:
            before = await work.devices.get(hospital_id, device_id)
            after = replace(before, active=active)
            await work.devices.update(after)
            name = "device.resumed" if active else "device.suspended"
            facts = {"active": active, "reason": why}
            await work.emit(name, hospital_id, device_id, {"active": before.active}, facts)
        return after


def _groups(names: Iterable[str]) -> frozenset[str]:
    return frozenset(inputs.name(name, "groups") for name in names)


def _algorithms(wanted: Algorithms) -> Algorithms:
    return Algorithms(
        kex=inputs.algorithms(wanted.kex, "kex"),
        host_key=inputs.algorithms(wanted.host_key, "host_key"),
        encryption=inputs.algorithms(wanted.encryption, "encryption"),
        mac=inputs.algorithms(wanted.mac, "mac"),
        quirks=tuple(inputs.choice(Quirk, quirk, "algorithms.quirks") for quirk in wanted.quirks),
    )
