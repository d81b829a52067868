"""What people call each other and the devices, for parts of the console that name them to other machines."""

from dataclasses import dataclass

from policy.domain.ids import HospitalId
from policy.store.database import Database


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Logins of people and names of devices, by identifier."""

    people: dict[str, str]
    devices: dict[str, str]


class NameService:
    """Reads names for the installation itself; nobody asks it from outside."""

    def __init__(self, database: Database) -> None:
        """Read from *database*."""
        self._database = database

    async def known(self, hospital_id: HospitalId) -> KnownNames:
        """Return the names of the hospital's people and devices. Raises PolicyUnavailable."""
        async with self._database.read() as view:
            people = {person.id: person.login for person in await view.people.list(hospital_id)}
            devices = {device.id: device.name for device in await view.devices.list(hospital_id)}
        return KnownNames(
            {str(key): name for key, name in people.items()},
            {str(key): name for key, name in devices.items()},
        )
