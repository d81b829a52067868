"""Sessions of the console: begun by password and code as every log-in, ended by rest, by time, or at once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from policy.clock import Clock
from policy.domain.console_sessions import ConsoleSession, Reading
from policy.domain.ids import HospitalId, new_id
from policy.domain.people import Person, Role
from policy.errors import AuthenticationFailed, Forbidden
from policy.services import bearers, inputs
from policy.services.login import LoginService
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.unit_of_work import View
from policy.vault.secret import Secret

_KIND: Final = "eclcon"
_AT_ONCE: Final = 10
"""How many browsers one person may have open at once; the oldest gives way."""
_NOTED_EVERY: Final = timedelta(seconds=30)
"""How exactly it is kept when something was last asked: not every click is a write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who uses the console, with the roles that she has now. ``fresh``: a code was given a short time ago."""

    person: Person
    session: ConsoleSession
    fresh: bool

    @property
    def roles(self) -> frozenset[Role]:
        """Her roles."""
        return self.person.roles


class ConsoleSessionService:
    """Begins, reads and ends sessions of the console. Every method raises PolicyUnavailable without a store."""

    def __init__(
        self, database: Database, login: LoginService, clock: Clock, settings: PolicySettings
    ) -> None:
        """Keep sessions in *database*; *login* checks who comes."""
        self._database = database
        self._login = login
        self._clock = clock
        self._longest = settings.console_longest
        self._idle = settings.console_idle
        self._fresh = settings.console_fresh

    async def sign_in(
        self,
        hospital_id: HospitalId,
        login: str,
        password: Secret,
        code: str,
        source: str,
        *,
        instead_of: Secret | None = None,
    ) -> Secret:
        """Begin a session and return its bearer's secret; whatever the browser showed before (*instead_of*) ends.

        Raises LockedOut, AuthenticationFailed as every log-in, Forbidden for somebody who is none of the staff.
        """
        attempt = await self._login.begin(login, source, hospital_id=hospital_id, console=True)
        person = await attempt.check_password_and_code(password, code)
        if person.roles <= {Role.TECHNICIAN}:
            raise Forbidden("the console is for the hospital's staff")
        secret, at = bearers.mint(_KIND, hospital_id), self._clock.now()
        session = ConsoleSession(
            id=new_id(),
            hospital_id=hospital_id,
            person_id=person.id,
            source=attempt.source,
            started_at=at,
            expires_at=at + self._longest,
            seen_at=at,
            proved_at=at,
        )
        async with self._database.unit_of_work(person.id, self._clock) as work:
            present = await work.people.get(hospital_id, person.id)
            if not present.active:
                raise AuthenticationFailed("authentication failed")
            if instead_of is not None:
                before = await self._found(work, instead_of)
                if before is not None:
                    await work.console_sessions.end(before.hospital_id, before.id)
            await work.console_sessions.make_room(hospital_id, person.id, at, _AT_ONCE - 1)
            await work.console_sessions.insert(session, bearers.digest(secret))
            facts = {"source": session.source, "expires_at": session.expires_at}
            await work.emit("console.signed_in", hospital_id, person.id, {}, facts)
        return secret

    async def authenticate(self, shown: Secret, *, by_itself: bool = False) -> Visitor:
        """Return who shows that secret; raises AuthenticationFailed where it, or she, may not go on.

        *by_itself*: a page that lies open asks, and nobody did anything; that keeps no session from ending by rest.
        """
        at = self._clock.now()
        async with self._database.read() as view:
            session = await self._found(view, shown)
            person = (
                None if session is None else await view.people.find(session.hospital_id, session.person_id)
            )
        if session is None or person is None or not person.active or not session.open_at(at, self._idle):
            raise AuthenticationFailed("authentication failed")
        if not by_itself and at >= session.seen_at + _NOTED_EVERY:
            async with self._database.unit_of_work(person.id, self._clock) as work:
                await work.console_sessions.seen(session.hospital_id, session.id, at)
        return Visitor(person=person, session=session, fresh=session.fresh_at(at, self._fresh))

    async def prove(self, visitor: Visitor, code: str, source: str) -> Visitor:
        """Take a fresh *code* of hers, under the lock-out of every log-in; raises LockedOut, AuthenticationFailed."""
        session, person = visitor.session, visitor.person
        attempt = await self._login.begin(person.login, source, hospital_id=person.hospital_id, console=True)
        await self._login.check_again(attempt, person, code)
        at = self._clock.now()
        async with self._database.unit_of_work(person.id, self._clock) as work:
            await work.console_sessions.proved(session.hospital_id, session.id, at)
        return Visitor(person=person, session=session, fresh=True)

    async def sign_out(self, shown: Secret) -> None:
        """End the session of that secret, whether it was still open or not."""
        async with self._database.unit_of_work(None, self._clock) as work:
            session = await self._found(work, shown)
            if session is None:
                return
            work.actor = session.person_id
            await work.console_sessions.end(session.hospital_id, session.id)
            await work.emit("console.signed_out", session.hospital_id, session.person_id, {}, {})

    async def read(self, visitor: Visitor, trace_id: str, reason: str) -> Reading:
        """Let the bearer read one trace until her session ends.

        Raises Forbidden unless she has the security role and gave a code a short time ago, InvalidInput without a
        *reason*. The caller has the reading journalled before anything is shown.
        """
        why = inputs.line(reason, "reason", longest=500)
        if Role.SECURITY not in visitor.roles:
            roles = Role.SECURITY.value
            raise Forbidden(f"only these roles may do this: {roles}")
        if not visitor.fresh:
            raise Forbidden("give a fresh code first")
        session = visitor.session
        reading = Reading(
            hospital_id=session.hospital_id,
            console_session_id=session.id,
            trace_id=trace_id,
            reason=why,
            at=self._clock.now(),
        )
        async with self._database.unit_of_work(session.person_id, self._clock) as work:
            await work.console_sessions.read(reading)
        return reading

    async def reading(self, visitor: Visitor, trace_id: str) -> Reading | None:
        """Return what lets the bearer read that trace; None where she has given no reason in this session."""
        if Role.SECURITY not in visitor.roles:
            return None
        session = visitor.session
        async with self._database.read() as view:
            return await view.console_sessions.reading(session.hospital_id, session.id, trace_id)

    @staticmethod
    async def _found(view: View, shown: Secret) -> ConsoleSession | None:
        try:
            hospital_id, digest = bearers.read(_KIND, shown)
        except AuthenticationFailed:
            return None
        return await view.console_sessions.by_hash(hospital_id, digest)
