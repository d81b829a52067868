"""People."""

from collections.abc import Collection, Sequence

from sqlalchemy import insert, select, update

from policy.domain.ids import HospitalId, PersonId, SupplierId
from policy.domain.people import Person
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.people.c


class People(Repository):
    """Table ``people``."""

    async def insert(self, person: Person) -> None:
        """Add a person."""
        await self._connection.execute(insert(t.people).values(mapping.columns(person)))

    async def update(self, person: Person) -> None:
        """Write the person's present values."""
        where = (_c.hospital_id == person.hospital_id) & (_c.id == person.id)
        await self._connection.execute(update(t.people).where(where).values(mapping.columns(person)))

    async def of(self, hospital_id: HospitalId, people: Collection[PersonId]) -> Sequence[Person]:
        """Return those of *people* that are in this hospital."""
        where = (_c.hospital_id == hospital_id) & _c.id.in_(list(people))
        return [mapping.person(row) for row in await self._connection.execute(select(t.people).where(where))]

    async def find(self, hospital_id: HospitalId, person_id: PersonId) -> Person | None:
        """Return the person, None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.id == person_id)
        row = (await self._connection.execute(select(t.people).where(where))).first()
        return None if row is None else mapping.person(row)

    async def get(self, hospital_id: HospitalId, person_id: PersonId) -> Person:
        """Return the person; raises NotFound."""
        person = await self.find(hospital_id, person_id)
        if person is None:
            raise NotFound("person", person_id)
        return person

    async def by_login(self, hospital_id: HospitalId, login: str) -> Person | None:
        """Return the person of that login, None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.login == login)
        row = (await self._connection.execute(select(t.people).where(where))).first()
        return None if row is None else mapping.person(row)

    async def by_email(self, hospital_id: HospitalId, email: str) -> Person | None:
        """Return the person of that address (lower case), None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.email == email)
        row = (await self._connection.execute(select(t.people).where(where))).first()
        return None if row is None else mapping.person(row)

    async def list(self, hospital_id: HospitalId, supplier_id: SupplierId | None = None) -> Sequence[Person]:
        """Return the hospital's people (of one supplier, if given), by login."""
        query = select(t.people).where(_c.hospital_id == hospital_id).order_by(_c.login)
        if supplier_id is not None:
            query = query.where(_c.supplier_id == supplier_id)
        return [mapping.person(row) for row in await self._connection.execute(query)]
