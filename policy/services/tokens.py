"""Tokens of the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from policy.clock import Clock
from policy.domain.bearers import ApiToken
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.domain.people import Person, Role
from policy.errors import AuthenticationFailed, Forbidden, InvalidInput
from policy.services import bearers, inputs
from policy.services.duties import Duty, require
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import View
from policy.vault.secret import Secret

_KIND = "ecltok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls, with the roles that both her token and she herself have now."""

    person: Person
    roles: frozenset[Role]
    hospital_id: HospitalId
    token_id: str


class TokenService:
    """Issues, reads and revokes tokens."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep the tokens' hashes in *database*."""
        self._database = database
        self._clock = clock
        self._longest = settings.token_longest

    async def issue(self, person: Person, roles: frozenset[Role], ttl: timedelta, label: str) -> Secret:
        """Return a new token for *person*, just authenticated: shown once, good for *ttl*.

        Raises Forbidden for a role she does not have, InvalidInput for a *ttl* out of bounds.
        """
        if not timedelta(0) < ttl <= self._longest:
            raise InvalidInput("ttl", f"write more than zero and at most {self._longest.days} days")
        at = self._clock.now()
        secret = bearers.mint(_KIND, person.hospital_id)
        token = ApiToken(
            id=new_id(),
            hospital_id=person.hospital_id,
            person_id=person.id,
            roles=roles,
            label=inputs.line(label, "label"),
            issued_at=at,
            expires_at=at + ttl,
        )
        async with self._database.unit_of_work(person.id, self._clock) as work:
            present = await work.people.get(person.hospital_id, person.id)
            if not await _active(work, present) or not roles <= present.roles:
                raise Forbidden("a token cannot do more than its person may")
            await work.tokens.insert(token, bearers.digest(secret))
            await work.emit("token.issued", person.hospital_id, token.id, {}, token.described())
        return secret

    async def authenticate(self, token: Secret) -> Principal:
        """Return who shows *token*; raises AuthenticationFailed where it, or its person, may not come in."""
        hospital_id, digest = bearers.read(_KIND, token)
        async with self._database.read() as view:
            found = await view.tokens.by_hash(hospital_id, digest)
            person = None if found is None else await view.people.find(hospital_id, found.person_id)
            let_in = person is not None and await _active(view, person)
        if found is None or person is None or not let_in or not found.open_at(self._clock.now()):
            raise AuthenticationFailed("authentication failed")
        return Principal(
            person=person, roles=found.roles & person.roles, hospital_id=hospital_id, token_id=found.id
        )

    async def revoke(self, token: Secret) -> None:
        """End *token* (its bearer logs out); raises AuthenticationFailed for one that does not exist."""
        hospital_id, digest = bearers.read(_KIND, token)
        async with self._database.read() as view:
            found = await view.tokens.by_hash(hospital_id, digest)
        if found is None:
            raise AuthenticationFailed("authentication failed")
        await self._end(found.person_id, found)

    async def revoke_token(self, actor: PersonId, hospital_id: HospitalId, token_id: str) -> None:
        """End somebody's token by its id: one's own, or anybody's for those who may stop things."""
        async with self._database.read() as view:
            found = await view.tokens.get(hospital_id, token_id)
            if found.person_id != actor:
                await require(view, hospital_id, actor, Duty.STOP)
        await self._end(actor, found)

    async def list(
        self, actor: PersonId, hospital_id: HospitalId, *, person_id: PersonId | None = None
    ) -> Sequence[ApiToken]:
        """Return the tokens of one person, or of all, newest first; one's own may always be seen."""
        async with self._database.read() as view:
            if person_id != actor:
                await require(view, hospital_id, actor, Duty.READ)
            return await view.tokens.list(hospital_id, person_id)

    async def _end(self, actor: PersonId, token: ApiToken) -> None:
        async with self._database.unit_of_work(actor, self._clock) as work:
            await work.tokens.revoke(token.hospital_id, token.id, self._clock.now())
            await work.emit("token.revoked", token.hospital_id, token.id, {}, {"person": token.person_id})


async def _active(view: View, person: Person) -> bool:
    """Tell whether the person, and her supplier if she has one, are let in."""
    if not person.active or person.supplier_id is None:
        return person.active
    return (await view.suppliers.get(person.hospital_id, person.supplier_id)).active
