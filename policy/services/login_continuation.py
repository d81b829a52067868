"""Further connections of one completed log-in (WinSCP, FileZilla and VS Code open several), where the hospital says so.

The first factor is proved again each time. What is spared is another code, and that for the same person, device and
address alone, a short while, a few times; whatever touches one of them in policy, and any failure, is its end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from policy.authn.lockout import origin_of
from policy.domain.attempts import Attempt, AttemptOutcome
from policy.domain.continuations import OFF, Continuation, ContinuationRule
from policy.domain.factors import Factor
from policy.domain.ids import new_id
from policy.domain.people import Person
from policy.services.login_attempt import LoginAttempt
from policy.services.login_door import LoginDoor, declared_by
from policy.store.unit_of_work import UnitOfWork, View

PASSWORD: Final = Factor.PASSWORD.value
"""What a continuation begins with where it is no key."""


class ContinuedLogins(LoginDoor):
    """Opens continuations, and takes one more connection under them."""

    async def _rule(self, view: View, attempt: LoginAttempt) -> ContinuationRule:
        """Return what the hospital allows this attempt: nothing on the console, nor where no device was named."""
        if attempt.console or attempt.device is None:
            return OFF
        hospitals = await view.hospitals.list()
        return next((one.continuation for one in hospitals if one.id == attempt.hospital_id), OFF)

    async def _leave_open(
        self, work: UnitOfWork, attempt: LoginAttempt, person: Person, first: str, step: int, attempt_id: str
    ) -> None:
        """Let a log-in that *person* has just completed be continued, if her hospital allows it."""
        rule = await self._rule(work, attempt)
        if not rule.on or attempt.device is None:
            return
        await work.attempts.hold(attempt.hospital_id, attempt.login, attempt.origin)
        at = self._clock.now()
        await work.continuations.insert(
            Continuation(
                id=new_id(),
                hospital_id=attempt.hospital_id,
                person_id=person.id,
                device=attempt.device,
                source=attempt.source,
                first=first,
                step=step,
                attempt_id=attempt_id,
                opened_at=at,
                until=at + rule.life,
                most=rule.most,
                uses=0,
                position=await work.outbox.head(),
            )
        )

    async def _continue(
        self, work: UnitOfWork, attempt: LoginAttempt, person: Person, first: str, step: int | None
    ) -> Continuation | None:
        """Count one more connection under the continuation of *attempt*, and return it; None where there is none.

        *step* is the time step of the code that was given again, None where a key asks for none.
        """
        rule, device, at = await self._rule(work, attempt), attempt.device, self._clock.now()
        if not rule.on or device is None:
            return None
        found = await work.continuations.find(attempt.hospital_id, person.id, device, attempt.source, first)
        if found is None or not found.open(rule, at) or step not in {None, found.step}:
            return None
        if await self._spoilt(work, attempt, person, found) or await work.continuations.touched(found):
            await work.continuations.end(found)
            return None
        return found if await work.continuations.take(found, rule.most, at) else None

    async def _spoilt(
        self, view: View, attempt: LoginAttempt, person: Person, continuation: Continuation
    ) -> bool:
        """Tell whether a log-in of hers has failed since, from there or from where her supplier works."""
        origin = origin_of(attempt.source)
        since = continuation.opened_at - timedelta(minutes=10)
        recent = await view.attempts.recent(attempt.hospital_id, attempt.login, origin, since)
        declared = declared_by(person, await view.suppliers.list(attempt.hospital_id))
        later = _after(recent, continuation.attempt_id, continuation.opened_at)
        return any(
            one.login == attempt.login
            and one.outcome is AttemptOutcome.FAILURE
            and (one.origin == origin or declared(one.source))
            for one in later
        )


def _after(attempts: Sequence[Attempt], attempt_id: str, opened_at: datetime) -> Sequence[Attempt]:
    """Return the attempts inserted after *attempt_id*, or dated later, whatever the clock did meanwhile."""
    places = [place for place, one in enumerate(attempts) if one.id == attempt_id]
    if not places:
        return attempts
    return [one for place, one in enumerate(attempts) if place > places[0] or one.at > opened_at]


def in_words(continuation: Continuation) -> str:
    """Return what the journal says of one more connection under *continuation*, before it was counted."""
    return f"continues {continuation.attempt_id}, connection {continuation.uses + 1} of {continuation.most}"
