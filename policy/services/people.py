"""People: who they are, and whether they may come in at all."""

from collections.abc import Sequence
from dataclasses import replace

from policy.authn import ssh_keys
from policy.domain.credentials import EnrolledKey
from policy.domain.ids import HospitalId, PersonId, SupplierId, new_id
from policy.domain.mails import MailKind
from policy.domain.people import Language, Person, Role
from policy.errors import Conflict, InvalidInput, NameTaken
from policy.services import inputs
from policy.services.duties import Duty, require
from policy.services.enrolment import Enrolment, EnrolmentService, Invited
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork, View

__all__ = ["Enrolment", "Invited", "PeopleService", "add_person"]


class PeopleService(EnrolmentService):
    """The registry of people (rules E3, S36), and what they log in with."""

    async def create(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        login: str,
        full_name: str,
        email: str,
        roles: frozenset[Role],
        supplier_id: SupplierId | None = None,
        language: Language = Language.FRENCH,
    ) -> Person:
        """Add a person, who comes in once she has enrolled.

        A technician belongs to a supplier and has no other role; the hospital's staff belong to none. Raises
        InvalidInput, NotFound for the supplier, Conflict for a login or an address taken in this hospital.
        """
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            if supplier_id is not None:
                await work.suppliers.get(hospital_id, supplier_id)
            return await add_person(
                work,
                hospital_id,
                login=login,
                full_name=full_name,
                email=email,
                roles=roles,
                supplier_id=supplier_id,
                language=language,
            )

    async def suspend(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, reason: str
    ) -> Person:
        """Let this person in no more, and end her sessions and her tokens. Raises Conflict for the last administrator."""
        return await self._turn(actor, hospital_id, person_id, active=False, reason=reason)

    async def resume(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, reason: str
    ) -> Person:
        """Let this person in again."""
        return await self._turn(actor, hospital_id, person_id, active=True, reason=reason)

    async def bind_to_one_post(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, one_post: bool
    ) -> Person:
        """Let this person's sessions come from one source at a time, or from any number again (E2)."""
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.people.get(hospital_id, person_id)
            after = replace(before, one_post=one_post)
            await work.people.update(after)
            states = {"one_post": before.one_post}, {"one_post": one_post}
            await work.emit("person.post_bound", hospital_id, person_id, *states)
        return after

    async def unlock(self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId) -> Person:
        """Forget the failures that locked this person out."""
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            person = await work.people.get(hospital_id, person_id)
            forgotten = await work.attempts.forget(hospital_id, person.login)
            await work.emit("person.unlocked", hospital_id, person_id, {}, {"attempts": forgotten})
        return person

    async def add_key(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        person_id: PersonId,
        public_line: str,
        *,
        label: str = "",
    ) -> EnrolledKey:
        """Add a public key, given as the one line of its ``.pub`` file; without a *label*, its comment serves.

        Raises InvalidInput for a key unfit to log in with, Conflict where anybody has it already (E3).
        """
        parsed = ssh_keys.parse(public_line, security_keys=True)
        key = EnrolledKey(
            hospital_id=hospital_id,
            person_id=person_id,
            algorithm=parsed.algorithm,
            blob=parsed.blob,
            fingerprint=parsed.fingerprint,
            label=inputs.line(label or parsed.comment[:200], "label", empty=True),
            added_at=self._clock.now(),
        )
        async with self._database.unit_of_work(actor, self._clock) as work:
            if actor != person_id:
                await require(work, hospital_id, actor, Duty.MANAGE)
            person = await work.people.get(hospital_id, person_id)
            held = await work.credentials.key_of_fingerprint(hospital_id, key.fingerprint)
            if held is None:
                await work.credentials.insert_ssh_key(key)
                shown = {"fingerprint": key.fingerprint, "algorithm": key.algorithm, "label": key.label}
                await work.emit("person.key_added", hospital_id, person_id, {}, shown)
                # whoever added it: a key of somebody else's among hers would come in under her name
                await self._mails.tell(work, person, MailKind.KEY_ADDED, {"fingerprint": key.fingerprint})
            elif held.person_id != person_id:
                # shared, or put among his by somebody who does not hold it: the hospital must see which
                facts = {"fingerprint": key.fingerprint, "held_by": held.person_id}
                await work.emit("person.key_contested", hospital_id, person_id, {}, facts)
        if held is not None:
            raise Conflict("this key is in use already: one key belongs to one person (E3)")
        return key

    async def remove_key(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, fingerprint: str
    ) -> None:
        """Take a public key away; raises NotFound where the person has none of that fingerprint."""
        async with self._database.unit_of_work(actor, self._clock) as work:
            if actor != person_id:
                await require(work, hospital_id, actor, Duty.MANAGE)
            await work.credentials.delete_ssh_key(hospital_id, person_id, fingerprint)
            shown = {"fingerprint": fingerprint}
            await work.emit("person.key_removed", hospital_id, person_id, shown, {})
            if actor != person_id:
                person = await work.people.get(hospital_id, person_id)
                await self._mails.tell(work, person, MailKind.KEY_REMOVED, {"fingerprint": fingerprint})

    async def keys(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId
    ) -> Sequence[EnrolledKey]:
        """Return the person's public keys, oldest first."""
        async with self._database.read() as view:
            if actor != person_id:
                await require(view, hospital_id, actor, Duty.READ)
            await view.people.get(hospital_id, person_id)
            return await view.credentials.ssh_keys(person_id)

    async def enrolled(self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId) -> bool:
        """Tell whether the person has chosen her password and confirmed her codes."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            await view.people.get(hospital_id, person_id)
            return await view.credentials.totp_secret(person_id) is not None

    async def get(self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId) -> Person:
        """Return one person; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.people.get(hospital_id, person_id)

    async def list(
        self, actor: PersonId, hospital_id: HospitalId, *, supplier_id: SupplierId | None = None
    ) -> Sequence[Person]:
        """Return the hospital's people, or one supplier's, by login."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.people.list(hospital_id, supplier_id)

    async def _turn(
        self, actor: PersonId, hospital_id: HospitalId, person_id: PersonId, *, active: bool, reason: str
    ) -> Person:
        why = inputs.line(reason, "reason", longest=500)
        async with self._acting(actor, hospital_id, Duty.RESUME if active else Duty.STOP) as work:
            before = await work.people.get(hospital_id, person_id)
            if not active:
                await _somebody_left(work, before)
            after = replace(before, active=active)
            await work.people.update(after)
            if not active:
                # for good: a token that somebody copied must not come back with its owner
                await work.tokens.revoke_all(hospital_id, person_id, self._clock.now())
                await work.visits.end_all(hospital_id, person_id)
                await work.console_sessions.end_all(hospital_id, person_id)
            name = "person.resumed" if active else "person.suspended"
            facts = {"active": active, "reason": why}
            await work.emit(name, hospital_id, person_id, {"active": before.active}, facts)
        return after


async def add_person(
    work: UnitOfWork,
    hospital_id: HospitalId,
    *,
    login: str,
    full_name: str,
    email: str,
    roles: frozenset[Role],
    supplier_id: SupplierId | None,
    language: Language,
) -> Person:
    """Check and add a person in the caller's transaction; raises InvalidInput, Conflict."""
    if not roles:
        raise InvalidInput("roles", "give at least one role")
    if Role.TECHNICIAN in roles and (supplier_id is None or len(roles) > 1):
        raise InvalidInput("roles", "a technician belongs to a supplier, and has no other role")
    if Role.TECHNICIAN not in roles and supplier_id is not None:
        raise InvalidInput("supplier_id", "the hospital's own staff belong to no supplier")
    person = Person(
        id=PersonId(new_id()),
        hospital_id=hospital_id,
        login=inputs.name(login, "login"),
        full_name=inputs.line(full_name, "full_name"),
        email=inputs.email(email),
        language=language,
        roles=roles,
        supplier_id=supplier_id,
        active=True,
    )
    if await work.people.by_login(hospital_id, person.login) is not None:
        raise NameTaken(f"the login {person.login!r} is taken")
    if await work.people.by_email(hospital_id, person.email) is not None:
        raise Conflict(
            f"{person.email} is somebody's address already: one address belongs to one person (E3)"
        )
    await work.people.insert(person)
    await work.emit("person.created", hospital_id, person.id, {}, described(person))
    return person


async def _somebody_left(view: View, person: Person) -> None:
    """Raise Conflict where nobody but *person* could undo what is about to happen."""
    if Role.ADMINISTRATOR not in person.roles:
        return
    others = (
        other
        for other in await view.people.list(person.hospital_id)
        if other.id != person.id and other.active and Role.ADMINISTRATOR in other.roles
    )
    if next(others, None) is None:
        raise Conflict(f"{person.login} is the last active administrator: add another one first")
