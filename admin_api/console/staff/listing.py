"""What lists have in common: the choices of their filters, and the way to the next page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from admin_api.console.staff import moments
from admin_api.console.staff.caller import StaffCaller
from policy.domain.devices import Device
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Person, Role
from policy.domain.suppliers import Supplier
from policy.services import Services

PAGE: Final = 50
_LONGEST_CURSOR: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of a filter, and what it is called."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Who and what the hospital knows, by id: for the choices of filters, and for names beside identifiers."""

    people: Mapping[str, Person]
    suppliers: Mapping[str, Supplier]
    devices: Mapping[str, Device]

    def technicians(self) -> list[Choice]:
        """The suppliers' people, by name."""
        found = (one for one in self.people.values() if Role.TECHNICIAN in one.roles)
        return [
            Choice(value=one.id, label=f"{one.full_name} ({one.login})")
            for one in sorted(found, key=lambda one: one.full_name.casefold())
        ]

    def companies(self) -> list[Choice]:
        """The suppliers, by name."""
        return [
            Choice(value=one.id, label=one.name)
            for one in sorted(self.suppliers.values(), key=lambda one: one.name.casefold())
        ]

    def equipment(self) -> list[Choice]:
        """The devices, by name."""
        return [
            Choice(value=one.id, label=one.name)
            for one in sorted(self.devices.values(), key=lambda one: one.name)
        ]

    def person(self, person_id: str | None) -> str | None:
        """A person's full name; the identifier itself where nobody has it."""
        found = self.people.get(person_id or "")
        return found.full_name if found is not None else person_id

    def name(self, identifier: str) -> str | None:
        """The name of whoever or whatever has that identifier; None where nothing known has it."""
        person, device = self.people.get(identifier), self.devices.get(identifier)
        supplier = self.suppliers.get(identifier)
        if person is not None:
            return person.full_name
        return device.name if device is not None else supplier.name if supplier is not None else None

    def device(self, device_id: str | None) -> str | None:
        """A device's name; the identifier itself where none has it."""
        found = self.devices.get(device_id or "")
        return found.name if found is not None else device_id


async def registry(caller: StaffCaller) -> Registry:
    """Read who and what the hospital knows, as the caller may."""
    return await registered(caller.context.services, caller.actor, caller.hospital_id)


async def registered(services: Services, actor: PersonId, here: HospitalId) -> Registry:
    """Read who and what the hospital *here* knows, as *actor* may."""
    people = await services.people.list(actor, here)
    suppliers = await services.suppliers.list(actor, here)
    devices = await services.devices.list(actor, here)
    return Registry(
        people={one.id: one for one in people},
        suppliers={one.id: one for one in suppliers},
        devices={one.id: one for one in devices},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the query asks for. Values are as typed, bounded; ``since`` and ``until`` are aware UTC, half-open."""

    values: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    after: str | None

    def get(self, name: str) -> str | None:
        """Return a value; None where it was left open."""
        return self.values.get(name) or None

    @property
    def any(self) -> bool:
        """Whether anything is asked for at all."""
        return any(self.values.values())

    def link(self, path: str, after: str | None = None) -> str:
        """Return the address of the page *after* a cursor, under the same wishes; the first page without one."""
        asked = {name: value for name, value in self.values.items() if value}
        if after is not None:
            asked["after"] = after
        return f"{path}?{urlencode(asked)}" if asked else path


def wanted(caller: StaffCaller, *names: str) -> Wanted:
    """Read the filters *names* of the query, the days ``from`` and ``to`` (of the hospital's zone), and the cursor."""
    zone = caller.here.timezone
    values = {name: caller.query(name, longest=100) for name in (*names, "from", "to")}
    return Wanted(
        values=values,
        since=moments.day_start(values["from"], zone),
        until=moments.day_end(values["to"], zone),
        after=caller.query("after", longest=_LONGEST_CURSOR) or None,
    )
