"""Whom and when somebody asks about: names or identifiers, and times on the hospital's clock or with an offset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from admin_api.deps import Context, instant
from admin_api.errors import BadTimestamp
from admin_api.v1.schemas.windows import Fold
from policy.domain.hospitals import Hospital
from policy.domain.ids import DeviceId, PersonId, SupplierId, is_identifier
from policy.domain.local_time import to_utc
from policy.errors import NotFound
from policy.services.tokens import Principal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    """What was named: its identifier, and the name that people know it by."""

    id: str
    name: str


async def named(
    context: Context,
    who: Principal,
    *,
    device: str | None = None,
    person: str | None = None,
    supplier: str | None = None,
) -> Mapping[str, Named]:
    """Return what was named, by `device`, `person` and `supplier`, each by name or identifier; raises NotFound."""
    services, actor, hospital = context.services, who.person.id, who.hospital_id
    found: dict[str, Named] = {}
    if device is not None:
        if is_identifier(device):
            one = await services.devices.get(actor, hospital, DeviceId(device))
        else:
            devices = {row.name: row for row in await services.devices.list(actor, hospital)}
            one = _known(devices, "device", device)
        found["device"] = Named(one.id, one.name)
    if person is not None:
        if is_identifier(person):
            somebody = await services.people.get(actor, hospital, PersonId(person))
        else:
            people = {row.login: row for row in await services.people.list(actor, hospital)}
            somebody = _known(people, "person", person)
        found["person"] = Named(somebody.id, somebody.full_name)
    if supplier is not None:
        if is_identifier(supplier):
            company = await services.suppliers.get(actor, hospital, SupplierId(supplier))
        else:
            rows = await services.suppliers.list(actor, hospital)
            companies = {row.name.casefold(): row for row in rows}
            company = _known(companies, "supplier", supplier.casefold())
        found["supplier"] = Named(company.id, company.name)
    return found


def moment(text: str | None, fold: Fold | None, field: str, hospital: Hospital) -> datetime | None:
    """Read a time; a bare one is on the hospital's clock, and *fold* says which where the clock shows it twice.

    Raises BadTimestamp, AmbiguousLocalTime, both naming *field*.
    """
    if text is None:
        return None
    try:
        bare = datetime.fromisoformat(text)
    except ValueError as refused:
        raise BadTimestamp(field, bare=True) from refused
    if bare.tzinfo is not None:
        return instant(text, field)
    side = None if fold is None else int(fold == "second")
    return to_utc(bare, hospital.timezone, fold=side, field=field)


def _known(rows: Mapping[str, T], noun: str, name: str) -> T:
    if name not in rows:
        raise NotFound(noun, name)
    return rows[name]
