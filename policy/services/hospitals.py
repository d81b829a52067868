"""The hospital itself, and how an installation begins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policy.clock import Clock
from policy.domain.continuations import checked_rule
from policy.domain.hospitals import Hospital
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.domain.local_time import zone_of
from policy.domain.people import Language, Role
from policy.errors import Conflict, InvalidInput
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.people import Invited, PeopleService, add_person
from policy.services.service import Service
from policy.store.database import Database
from policy.store.plain import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """A hospital just made, and the invitations of its first administrators."""

    hospital: Hospital
    invitations: tuple[Invited, ...]


class HospitalService(Service):
    """The tenants of the installation."""

    def __init__(self, database: Database, people: PeopleService, clock: Clock) -> None:
        """Keep hospitals in *database*; their first administrators are invited through *people*."""
        super().__init__(database, clock)
        self._people = people

    async def initialise(
        self,
        *,
        name: str,
        timezone: str,
        security_contact: str,
        administrators: Sequence[tuple[str, str, str]],
        further: bool = False,
        language: Language = Language.FRENCH,
    ) -> Initialised:
        """Make a hospital and invite its *administrators* (login, full name, e-mail), who are planners too.

        At least two, since nobody approves a window of her own. Raises InvalidInput, and Conflict where the
        installation has a hospital already, unless this is meant to be a *further* one.
        """
        if len(administrators) < 2:
            raise InvalidInput("administrators", "name at least two: nobody approves a window of her own")
        zone_of(timezone)
        hospital = Hospital(
            id=HospitalId(new_id()),
            name=inputs.line(name, "name"),
            timezone=timezone,
            security_contact=inputs.line(security_contact, "security_contact", longest=500),
        )
        async with self._database.unit_of_work(None, self._clock) as work:
            if await work.hospitals.list() and not further:
                raise Conflict("this installation has a hospital already")
            await work.hospitals.insert(hospital)
            await work.emit("hospital.created", hospital.id, hospital.id, {}, described(hospital))
            invitations = []
            for login, full_name, email in administrators:
                person = await add_person(
                    work,
                    hospital.id,
                    login=login,
                    full_name=full_name,
                    email=email,
                    roles=frozenset({Role.ADMINISTRATOR, Role.PLANNER}),
                    supplier_id=None,
                    language=language,
                )
                invitations.append(await self._people.invite_in(work, person))
        return Initialised(hospital=hospital, invitations=tuple(invitations))

    async def update(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        name: str | None = None,
        security_contact: str | None = None,
    ) -> Hospital:
        """Change the name, or the contact shown on every screen (S43).

        Not the time zone: the occurrences of windows are stored as instants, and would no longer say what was
        approved.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.hospitals.get(hospital_id)
            after = before
            if name is not None:
                after = replace(after, name=inputs.line(name, "name"))
            if security_contact is not None:
                contact = inputs.line(security_contact, "security_contact", longest=500)
                after = replace(after, security_contact=contact)
            await work.hospitals.update(after)
            await work.emit("hospital.updated", hospital_id, hospital_id, described(before), described(after))
        return after

    async def allow_continuations(
        self, actor: PersonId, hospital_id: HospitalId, *, seconds: int, connections: int
    ) -> Hospital:
        """Let a completed log-in be continued by so many further *connections* for so many *seconds*; 0 and 0: none.

        What is open now ends with the change. Raises InvalidInput beyond the bounds of ``checked_rule``.
        """
        rule = checked_rule(seconds, connections)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.hospitals.get(hospital_id)
            after = replace(before, continuation=rule)
            await work.hospitals.update(after)
            states = described(before.continuation), described(rule)
            await work.emit("hospital.continuations_changed", hospital_id, hospital_id, *states)
        return after

    async def get(self, hospital_id: HospitalId) -> Hospital:
        """Return the hospital; raises NotFound. Its name and contact are on every banner: no role is needed."""
        async with self._database.read() as view:
            return await view.hospitals.get(hospital_id)

    async def list(self) -> Sequence[Hospital]:
        """Return every hospital of the installation, for the installation itself."""
        async with self._database.read() as view:
            return await view.hospitals.list()
