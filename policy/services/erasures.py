"""Early erasure: one asks with a reason, another approves; nobody erases traces of her own, and no hold is overruled."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from policy.clock import Clock
from policy.domain.erasures import ANSWERED_WITHIN, Erasure, ErasureState
from policy.domain.holds import Recorded, holding
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.errors import Conflict, Forbidden
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.four_eyes import require_independent
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import described
from policy.store.unit_of_work import UnitOfWork


class ErasureService(Service):
    """The register of early erasures."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep requests in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def ask(
        self, actor: PersonId, hospital_id: HospitalId, recorded: Recorded, *, reason: str
    ) -> Erasure:
        """Ask that the recording of a session that is over be erased now.

        Raises Forbidden where it is the actor's own session; Conflict where it is held, open, or asked for already.
        """
        why = inputs.line(reason, "reason", longest=1000)
        async with self._acting(actor, hospital_id, Duty.HOLD) as work:
            _not_own(actor, recorded.person_id)
            if recorded.closed_at is None:
                raise Conflict("this session is not over: there is no recording to erase yet")
            open_ = await work.erasures.list(hospital_id, (ErasureState.ASKED, ErasureState.APPROVED))
            now = self._clock.now()
            if any(
                one.session_id == recorded.session_id
                and (one.state is ErasureState.APPROVED or now < one.asked_at + ANSWERED_WITHIN)
                for one in open_
            ):
                raise Conflict("the erasure of this recording was asked for already")
            await self._not_held(work, hospital_id, recorded)
            asked = Erasure(
                id=new_id(),
                hospital_id=hospital_id,
                session_id=recorded.session_id,
                person_id=recorded.person_id,
                device_id=recorded.device_id,
                reason=why,
                state=ErasureState.ASKED,
                asked_by=actor,
                asked_at=now,
            )
            await work.erasures.insert(asked)
            await work.emit("erasure.asked", hospital_id, asked.id, {}, described(asked))
        return asked

    async def decide(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        erasure_id: str,
        recorded: Recorded,
        *,
        approve: bool,
        answer: str,
    ) -> Erasure:
        """Approve or refuse what somebody else asked for; *recorded* is the session that it is about.

        Raises NotFound; Conflict where it does not wait, waited too long, or is held; Forbidden for who asked, whose
        session it is, or who stands behind the same invitation as who asked.
        """
        said = inputs.line(answer, "answer", longest=1000)
        now = self._clock.now()
        async with self._acting(actor, hospital_id, Duty.RESUME) as work:
            before = await work.erasures.get(hospital_id, erasure_id, hold=True)
            if before.state is not ErasureState.ASKED:
                raise Conflict("this erasure does not wait for a decision")
            if approve:
                if now >= before.asked_at + ANSWERED_WITHIN:
                    raise Conflict(f"it was asked for more than {ANSWERED_WITHIN.days} days ago: ask again")
                if actor == before.asked_by:
                    raise Forbidden("who asked does not approve: ask another person (four eyes)")
                _not_own(actor, before.person_id)
                period = self._settings.four_eyes_period
                await require_independent(work, hospital_id, before.asked_by, actor, now=now, period=period)
                await self._not_held(work, hospital_id, recorded)
            state = ErasureState.APPROVED if approve else ErasureState.REFUSED
            after = replace(before, state=state, decided_by=actor, decided_at=now, answer=said)
            await work.erasures.update(after)
            name = "erasure.approved" if approve else "erasure.refused"
            await work.emit(name, hospital_id, after.id, described(before), described(after))
        return after

    async def done(self, hospital_id: HospitalId, erasure_id: str) -> Erasure:
        """Note that an approved erasure was carried out. Raises NotFound, Conflict where nobody approved it."""
        async with self._database.unit_of_work(None, self._clock) as work:
            before = await work.erasures.get(hospital_id, erasure_id, hold=True)
            if before.state is ErasureState.DONE:
                return before
            if before.state is not ErasureState.APPROVED:
                raise Conflict("nobody approved this erasure")
            after = replace(before, state=ErasureState.DONE, done_at=self._clock.now())
            await work.erasures.update(after)
            await work.emit("erasure.done", hospital_id, after.id, described(before), described(after))
        return after

    async def get(self, actor: PersonId, hospital_id: HospitalId, erasure_id: str) -> Erasure:
        """Return one; raises NotFound."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.erasures.get(hospital_id, erasure_id)

    async def list(
        self, actor: PersonId, hospital_id: HospitalId, states: Collection[ErasureState] = tuple(ErasureState)
    ) -> Sequence[Erasure]:
        """Return those in these *states*, the last asked for first."""
        async with self._reading(actor, hospital_id, Duty.RESUME) as view:
            return await view.erasures.list(hospital_id, states)

    async def approved(self, hospital_id: HospitalId) -> Sequence[Erasure]:
        """Return what is approved and not carried out yet: for what erases. Raises PolicyUnavailable."""
        async with self._database.read() as view:
            return await view.erasures.list(hospital_id, (ErasureState.APPROVED,))

    async def _not_held(self, work: UnitOfWork, hospital_id: HospitalId, recorded: Recorded) -> None:
        found = holding(await work.holds.list(hospital_id), recorded, self._clock.now())
        if found:
            raise Conflict(f"this recording is under a legal hold ({found[0].case}): a hold beats erasure")


def _not_own(actor: PersonId, person_id: str) -> None:
    if actor == person_id:
        raise Forbidden("this is a session of yours: nobody erases traces of her own")
