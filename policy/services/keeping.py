"""How long recordings are kept: set by one, and where it is shortened approved by another."""

from collections.abc import Sequence
from dataclasses import replace

from policy.clock import Clock
from policy.domain.erasures import ANSWERED_WITHIN, ErasureState
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.domain.keeping import (
    HALF_YEAR,
    LONGEST,
    NOTICE,
    SHORTEST,
    YEAR,
    RetentionRule,
    in_force,
)
from policy.errors import AlreadySo, Conflict, Forbidden, InvalidInput
from policy.services import inputs
from policy.services.duties import Duty, require
from policy.services.four_eyes import require_independent
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork

LONGEST_REASON = 1000


class RetentionService(Service):
    """The rules of retention of a hospital, those that were and the one in force."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep rules in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def rule(self, hospital_id: HospitalId) -> RetentionRule:
        """Return the rule in force: for what purges. Raises PolicyUnavailable."""
        async with self._database.read() as view:
            return in_force(hospital_id, await view.retention_rules.list(hospital_id), self._clock.now())

    async def history(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[RetentionRule]:
        """Return every rule that was asked for, the last first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.retention_rules.list(hospital_id)

    async def waiting(self, actor: PersonId, hospital_id: HospitalId) -> int:
        """Return how many shortenings and erasures wait for a second person."""
        now = self._clock.now()
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            rules = await view.retention_rules.list(hospital_id)
            asked = await view.erasures.list(hospital_id, (ErasureState.ASKED,))
        late = [one for one in asked if now >= one.asked_at + ANSWERED_WITHIN]
        return sum(rule.state(now) == "asked" for rule in rules) + len(asked) - len(late)

    async def ask(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        recordings_days: int,
        reason: str = "",
        decider: str = "",
    ) -> RetentionRule:
        """Set how many days recordings are kept after the end of their session.

        Longer holds at once. Shorter waits for another person's approval, and then for `NOTICE`. Either takes the
        place of whatever was asked for and is not in force yet. Raises InvalidInput below three months (S13), below
        six and above twelve without a reason, above twelve without who decides; Conflict where nothing changes.
        """
        now = self._clock.now()
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            rules = await work.retention_rules.list(hospital_id, hold=True)
            before = in_force(hospital_id, rules, now)
            asked = RetentionRule(
                id=new_id(),
                hospital_id=hospital_id,
                recordings_days=recordings_days,
                reason=inputs.line(reason, "reason", longest=LONGEST_REASON, empty=True),
                decider=inputs.line(decider, "decider", empty=True),
                asked_by=actor,
                asked_at=now,
            )
            _bounded(asked)
            if asked.recordings_days == before.recordings_days:
                raise AlreadySo("this is how long they are kept already")
            if not asked.shortens(before):
                asked = replace(asked, effective_at=now)
            await self._overtake(work, rules)
            await work.retention_rules.insert(asked)
            name = "retention.set" if asked.effective_at is not None else "retention.shortening_asked"
            await work.emit(name, hospital_id, asked.id, described(before), described(asked))
        return asked

    async def approve(self, actor: PersonId, hospital_id: HospitalId, rule_id: str) -> RetentionRule:
        """Approve a shortening that somebody else asked for; it is in force after `NOTICE`.

        Raises NotFound, Conflict where it does not wait, Forbidden for who asked, or stands behind the same invitation.
        """
        now = self._clock.now()
        async with self._database.unit_of_work(actor, self._clock) as work:
            before = await self._waiting(work, actor, hospital_id, rule_id)
            if before.asked_by is None or actor == before.asked_by:
                raise Forbidden("who asked does not approve: ask another person (four eyes)")
            period = self._settings.four_eyes_period
            await require_independent(work, hospital_id, before.asked_by, actor, now=now, period=period)
            after = replace(before, approved_by=actor, approved_at=now, effective_at=now + NOTICE)
            await work.retention_rules.update(after)
            await work.emit("retention.set", hospital_id, after.id, described(before), described(after))
        return after

    async def refuse(
        self, actor: PersonId, hospital_id: HospitalId, rule_id: str, *, reason: str
    ) -> RetentionRule:
        """Refuse, or take back, a shortening that is not in force yet. Raises NotFound, Conflict."""
        why = inputs.line(reason, "reason", longest=LONGEST_REASON)
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.retention_rules.get(hospital_id, rule_id, hold=True)
            if before.state(self._clock.now()) not in {"asked", "coming"}:
                raise Conflict("this rule is in force or over already")
            after = replace(before, ended_at=self._clock.now())
            await work.retention_rules.update(after)
            facts = {**described(after), "why": why}
            await work.emit("retention.refused", hospital_id, after.id, described(before), facts)
        return after

    async def _waiting(
        self, work: UnitOfWork, actor: PersonId, hospital_id: HospitalId, rule_id: str
    ) -> RetentionRule:
        await require(work, hospital_id, actor, Duty.RESUME)
        found = await work.retention_rules.get(hospital_id, rule_id, hold=True)
        if found.state(self._clock.now()) != "asked":
            raise Conflict("this rule does not wait for approval")
        return found

    async def _overtake(self, work: UnitOfWork, rules: Sequence[RetentionRule]) -> None:
        now = self._clock.now()
        for one in rules:
            if one.state(now) in {"asked", "coming"}:
                await work.retention_rules.update(replace(one, ended_at=now))


def _bounded(rule: RetentionRule) -> None:
    days = rule.recordings_days
    if not SHORTEST <= days <= LONGEST:
        raise InvalidInput("recordings_days", f"write {SHORTEST} days (three months, S13) to {LONGEST}")
    if days < HALF_YEAR and not rule.reason:
        raise InvalidInput("reason", f"write why: less than {HALF_YEAR} days (six months) needs a reason")
    if days > YEAR and not rule.reason:
        raise InvalidInput("reason", f"write why: more than {YEAR} days (twelve months) needs a reason")
    if days > YEAR and not rule.decider:
        raise InvalidInput("decider", f"name who decides: more than {YEAR} days (twelve months) needs it")
