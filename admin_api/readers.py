"""The readers' keys of this console in people's hands: unlocked by one of them for a time, and what the journal says.

A key serves only once the journal has who unlocked it, and until when. What locks it again (time, a hand, a suspension,
the end of the process) is an entry too, and so is every wrong try.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from policy.clock import Clock
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Role
from policy.errors import Forbidden, NotFound, PolicyError
from policy.services import Services
from policy.services.tokens import Principal
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.errors import ReaderKeyLockedOut, ReaderKeyRefused, RecorderError
from recorder.seal.ring import Guard, ReaderRing, ReaderState, Unlocked

log = structlog.get_logger()

LONGEST: Final = timedelta(hours=12)
_LOOK_SECONDS: Final = 2.0
_ACTOR: Final = "console"
UNLOCKED: Final = "reader.unlocked"
LOCKED: Final = "reader.locked"
KNOWN: Final = "reader.known"
REFUSED: Final = "reader.refused"
LOCKED_OUT: Final = "alarm.reader_locked_out"
CHANGED: Final = "alarm.readers_changed"


@dataclass(slots=True)
class ReaderDesk:
    """Who may open traces now. One a console process; its methods are called on one event loop.

    Attributes:
        ring: The keys.
        services: Judges whoever unlocks.
        journal: Told of everything.
        hospital_id: Whose console.
        clock: Now.
    """

    ring: ReaderRing
    services: Services
    journal: Journal
    hospital_id: HospitalId
    clock: Clock
    rewrapping: asyncio.Lock = field(default_factory=asyncio.Lock)
    _known: set[str] | None = None

    async def states(self) -> list[ReaderState]:
        """Return every key that is known here. Raises ReaderKeyUnusable."""
        return await asyncio.to_thread(self.ring.states)

    async def prove(self, who: Principal, code: str, source: str) -> None:
        """Check a fresh *code* of hers, under the lock-out of every log-in; raises LockedOut, AuthenticationFailed."""
        login = self.services.login
        attempt = await login.begin(who.person.login, source, hospital_id=who.hospital_id, console=True)
        await login.check_again(attempt, who.person, code)

    async def unlock(self, who: Principal, name: str, secret: str, lasting: timedelta) -> Unlocked:
        """Unlock the key *name* for *lasting* by its passphrase or PIN.

        Raises ReaderKeyUnusable, ReaderKeyRefused, ReaderKeyLockedOut, and JournalBroken: then it stays locked.
        """
        until = self.clock.now() + min(lasting, LONGEST)
        actor = who.person.id
        try:
            found = await asyncio.to_thread(self.ring.unlock, name, secret, until, actor)
        except ReaderKeyLockedOut as error:
            await self._note(LOCKED_OUT, actor, {"name": name, "until": error.until.isoformat()})
            raise
        except ReaderKeyRefused:
            await self._note(REFUSED, actor, {"name": name})
            raise
        try:
            facts = {"name": name, "key": found.key.public.key_id, "until": until.isoformat()}
            await self._note(UNLOCKED, actor, facts)
        except BaseException:
            self.ring.lock(name)
            raise
        return found

    async def lock(self, actor: str, name: str) -> None:
        """Lock the key *name* at once; nothing happens where it is locked. Raises ReaderKeyUnusable, JournalBroken."""
        self.ring.lockable(name)
        found = await asyncio.to_thread(self.ring.lock, name)
        if found is not None:
            await self._locked(found, actor, "asked")

    async def run(self) -> None:
        """Lock what is over, and tell of keys that came or went, until cancelled; then lock everything."""
        try:
            await self._steadily(self._after_restart)
            while True:
                await self._steadily(self.look)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for found in self.ring.unlocked():
                self.ring.lock(found.name)
                await self._locked(found, _ACTOR, "stopped")

    async def _steadily(self, step: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await step()
        except (RecorderError, PolicyError, SQLAlchemyError) as error:
            log.warning("readers.not_looked_after", error=str(error))

    async def look(self) -> None:
        """Lock what is over, and tell of keys that came or went. Raises RecorderError, PolicyError, SQLAlchemyError."""
        for found in await asyncio.to_thread(self.ring.expired):
            await self._locked(found, _ACTOR, "time")
        for found in self.ring.unlocked():
            if not await self._may(found.by):
                self.ring.lock(found.name)
                await self._locked(found, _ACTOR, "person")
        await self._changes()

    async def _may(self, person_id: str) -> bool:
        """Tell whether who unlocked a key still may: she is there, active, and has the role."""
        try:
            person = await self.services.people.get(
                PersonId(person_id), self.hospital_id, PersonId(person_id)
            )
        except (NotFound, Forbidden):
            return False
        return person.active and Role.SECURITY in person.roles

    async def _after_restart(self) -> None:
        """Say that what was unlocked when the process before this one ended is locked, if it could not say so."""
        for state in await self.states():
            if state.guard not in (Guard.PASSPHRASE, Guard.TOKEN):
                continue
            last = await self._last("reader", name=state.name)
            if last is not None and last.name == UNLOCKED:
                await self._note(
                    LOCKED, _ACTOR, {"name": state.name, "key": state.key_id, "why": "restarted"}
                )

    async def _changes(self) -> None:
        """Tell of readers that came or went since the journal last said who they are; raise an alarm for it."""
        now = {state.key_id: state for state in await self.states() if state.active}
        if self._known is None:
            last = await self._last(CHANGED) or await self._last(KNOWN)
            if last is None:
                await self._note(KNOWN, _ACTOR, {"keys": sorted(now)})
                self._known = set(now)
                return
            self._known = {str(key) for key in _listed(last.details.get("keys"))}
        known = self._known
        if known == set(now):
            return
        facts = {
            "keys": sorted(now),
            "added": ", ".join(f"{now[key].name} ({key})" for key in sorted(set(now) - known)),
            "gone": ", ".join(sorted(known - set(now))),
        }
        await self._note(CHANGED, _ACTOR, facts)
        self._known = set(now)

    async def _last(self, below: str, name: str | None = None) -> SecurityEvent | None:
        """Return the newest entry of that name or below it, about the key *name*."""
        filters = JournalFilters(hospital_id=self.hospital_id, name=below, newest_first=True)
        async for entries in self.journal.pages(filters):
            for entry in entries:
                if name is None or entry.event.details.get("name") == name:
                    return entry.event
        return None

    async def _locked(self, found: Unlocked, actor: str, why: str) -> None:
        facts = {"name": found.name, "key": found.key.public.key_id, "why": why, "unlocked_by": found.by}
        await self._note(LOCKED, actor, facts)

    async def _note(self, name: str, actor: str, facts: Mapping[str, object]) -> None:
        await self.journal.append(
            SecurityEvent(
                name=name,
                hospital_id=self.hospital_id,
                at=self.clock.now(),
                actor=actor,
                details=dict(facts),
            )
        )


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
