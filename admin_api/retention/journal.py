"""The journal's own retention: twelve months, then what no hold keeps goes, recorded, signed and told before."""

from datetime import timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError

from policy.clock import Clock
from policy.domain.holds import Hold
from policy.domain.ids import HospitalId
from policy.services import Services
from recorder.audit.purge import PURGED, StoredPurge
from recorder.proof.proofs import Proofs
from recorder.retention.journal import Held, JournalPlan, JournalPurger
from recorder.retention.witness import Witness

ACTOR: Final = "console"


class JournalKeeper:
    """Purges the front of the journal's chains for one hospital; any number of consoles may."""

    def __init__(self, services: Services, proofs: Proofs, hospital_id: HospitalId, clock: Clock) -> None:
        """Sign with the key of *proofs*, whose checkpoints commit to each record before anything goes."""
        self._services = services
        self._proofs = proofs
        self._hospital_id = hospital_id
        self._clock = clock
        self._purger = JournalPurger(
            proofs.database, hospital_id, proofs.notary.key, clock.now, known=proofs.keys
        )

    async def plan(self, seen: Witness, ahead: timedelta) -> JournalPlan:
        """Return what is due within *ahead*. Raises SQLAlchemyError, RecorderError where the last record cannot be read."""
        return await self._purger.plan(seen, await self._holds(), ahead)

    async def purge(self, seen: Witness) -> int:
        """Finish what was begun, then purge what is due, once a week at most; return how many entries went.

        Raises PolicyUnavailable, SQLAlchemyError, RecorderError: what was done stays done.
        """
        last = await self._purger.last()
        gone = 0 if last is None else await self._finish(last)
        plan = await self._purger.plan(seen, await self._holds())
        if plan.next_at is not None and self._clock.now() < plan.next_at:
            return gone
        try:
            record = await self._purger.record(plan)
        except IntegrityError:  # another console began it
            return gone
        return gone if record is None else gone + await self._finish(record)

    async def _finish(self, record: StoredPurge) -> int:
        left = await self._purger.left(record)
        if not left:
            return 0
        if not await self._purger.told(record):
            facts: dict[str, object] = {"number": record.number, "digest": record.digest, "entries": left}
            await self._proofs.note(PURGED, ACTOR, facts)
        # a record that no checkpoint commits to excuses nothing: first that, then the entries
        await self._proofs.checkpoint(ACTOR)
        return await self._purger.delete(record, await self._holds())

    async def _holds(self) -> list[Held]:
        standing = await self._services.holds.standing(self._hospital_id)
        return [_held(hold) for hold in standing if hold.suspends(self._clock.now())]


def _held(hold: Hold) -> Held:
    return Held(
        session_id=hold.session_id,
        person_id=hold.person_id,
        device_id=hold.device_id,
        intervention_id=hold.intervention_id,
        since=hold.since,
        until=hold.until,
    )
