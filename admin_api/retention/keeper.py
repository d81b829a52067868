"""The keeper: carries out what was decided about recordings, by the rule alone or by two persons, and journals it.

Any number of consoles may run one: each step is safe to repeat, and a record is begun by one only.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from admin_api.retention.journal import JournalKeeper
from admin_api.retention.plan import Plan, judged, plan, recorded
from policy.clock import Clock
from policy.domain.erasures import Erasure
from policy.domain.holds import Hold, holding
from policy.domain.ids import HospitalId, PersonId
from policy.errors import PolicyError
from policy.services import Services
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal
from recorder.errors import RecorderError, StoreUnavailable, StoreUnreachable, TraceLocked, TraceNotFound
from recorder.ports import TraceStore
from recorder.proof.proofs import Proofs
from recorder.retention.purge import Fate, Order, Outcome, Purger
from recorder.retention.shelf import ClosedTrace, PurgeShelf
from recorder.retention.witness import Witness, witness
from recorder.trace.place import TracePlace

log = structlog.get_logger()

LOOK_EVERY: Final = timedelta(minutes=1)
PURGE_EVERY: Final = timedelta(hours=1)
_PAUSE: Final = 0.02
"""Seconds between two traces: who is at work comes first."""
ACTOR: Final = "console"
_GONE: Final = {Fate.GONE, Fate.UNREADABLE}
_WRONG: Final = {Fate.ALTERED, Fate.MISSING}
Progress = Callable[[str, int, int], None]


class Keeper:
    """Purges what is due, sets legal holds in the store, and erases what two persons decided."""

    def __init__(
        self,
        services: Services,
        store: TraceStore,
        proofs: Proofs,
        journal: Journal,
        hospital_id: HospitalId,
        clock: Clock,
    ) -> None:
        """Work for one hospital; purges are signed with the key of *proofs*, by whose checkpoints time is seen."""
        self._services = services
        self._store = store
        self._proofs = proofs
        self._journal = journal
        self._hospital_id = hospital_id
        self._clock = clock
        self.shelf = PurgeShelf(proofs.database, hospital_id, clock.now)
        self._purger = Purger(self.shelf, store, proofs.notary.key, clock.now)
        self._journal_keeper = JournalKeeper(services, proofs, hospital_id, clock)
        self._woken = asyncio.Event()
        self._doubted = False
        self._refused = False
        self.delays: dict[str, Outcome] = {}
        """Why an approved erasure, by its id, could not be carried out yet."""

    async def plan(self, ahead: timedelta) -> Plan:
        """Return what is due within *ahead*, without touching anything."""
        rule = await self._services.retention.rule(self._hospital_id)
        holds = await self._services.holds.standing(self._hospital_id)
        seen = await self._seen()
        journal = await self._journal_keeper.plan(seen, ahead)
        return await plan(self.shelf, self._store, rule, holds, seen, ahead, journal)

    def wake(self) -> None:
        """Look now: something was decided."""
        self._woken.set()

    async def run(self) -> None:
        """Do what is due until cancelled; what fails is logged and tried again at the next look."""
        purged_at: datetime | None = None
        while True:
            # each by itself: a store that refuses to note a hold must not keep what two people decided from being done
            await self._tried(self.keep_holds)
            await self._tried(self.erase)
            now = self._clock.now()
            if (purged_at is None or now - purged_at >= PURGE_EVERY) and await self._tried(self.purge):
                purged_at = now
            self._woken.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY.total_seconds()):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _tried(self, act: Callable[[], Awaitable[object]]) -> bool:
        try:
            await act()
        except (PolicyError, RecorderError, SQLAlchemyError) as error:
            log.warning("retention.not_done", error=str(error))
            return False
        return True

    async def purge(self, progress: Progress | None = None) -> Mapping[str, int]:
        """Finish what was begun, then purge whatever is due; return how many of each fate, or why none.

        ``entries`` are those of the journal.

        Nothing goes that a hold covers at the very moment, nor while the clock is in doubt. Raises PolicyUnavailable,
        StoreUnavailable, SQLAlchemyError: what was done stays done.
        """
        fates: Counter[str] = Counter()
        seen = await self._seen()
        await self._tell_doubt(seen)
        if seen.doubt is not None:
            return {"doubt": 1}
        for begun in await self.shelf.begun(seen.now):
            if not await self._held(begun.trace):
                outcome = await self._purger.finish(begun)
                fates[outcome.fate] += 1
                await self._tell(begun.trace, outcome, Order("finish", "begun before"))
        rule = await self._services.retention.rule(self._hospital_id)
        before = seen.now - timedelta(days=rule.recordings_days)
        of, _ = await self.shelf.totals(before)
        order = Order("retention", f"recordings are kept {rule.recordings_days} days")
        after, done = None, 0
        while True:
            page = await self.shelf.closed(before=before, after=after)
            for trace in page.traces:
                done += 1
                fates[await self._purge_one(trace, order, seen)] += 1
                if progress is not None:
                    progress("purge", done, max(of, done))
                await asyncio.sleep(_PAUSE)
            after = page.after
            if after is None:
                break
        fates["entries"] = await self._journal_keeper.purge(seen)
        return {fate: count for fate, count in fates.items() if count}

    async def erase(self) -> None:
        """Carry out the erasures that two persons decided. Raises as ``purge``."""
        for erasure in await self._services.erasures.approved(self._hospital_id):
            page = await self.shelf.closed(session_id=erasure.session_id)
            if not page.traces:  # purged meanwhile, or by a console that could not say so any more
                await self._services.erasures.done(self._hospital_id, erasure.id)
                continue
            await self._erase_one(erasure, page.traces[0])

    async def keep_holds(self) -> tuple[int, int]:
        """Have the store hold what holds cover, closed since included, and let go the rest; return how many of each.

        What it refuses to hold or let go keeps the rest from nothing; whoever is to mend that gets an alarm.
        """
        wanted: dict[str, TracePlace] = {}
        for hold in await self._services.holds.standing(self._hospital_id):
            wanted.update(await self._covered(hold))
        held = await self.shelf.held()
        new = [place for name, place in wanted.items() if name not in held]
        free = [place for name, place in held.items() if name not in wanted]
        refused: RecorderError | None = None
        for places, on in ((new, True), (free, False)):
            for place in places:
                try:
                    await asyncio.to_thread(self._store.hold, place, held=on)
                except TraceNotFound:  # not arrived yet; the next look comes
                    continue
                except StoreUnreachable:
                    raise
                except (StoreUnavailable, TraceLocked) as error:
                    refused = error
                    continue
                await self.shelf.note_hold(place.session_id, held=on)
        await self._tell_refused(refused)
        return len(new), len(free)

    async def concerns(self, hold: Hold, person: PersonId) -> bool:
        """Tell whether a hold covers a session of that person."""
        after = None
        while True:
            page = await self.shelf.closed(person_id=person, since=hold.since, after=after)
            if any(hold.covers(recorded(trace)) for trace in page.traces):
                return True
            after = page.after
            if after is None:
                return False

    async def _covered(self, hold: Hold) -> dict[str, TracePlace]:
        found: dict[str, TracePlace] = {}
        after = None
        while True:
            page = await self.shelf.closed(
                session_id=hold.session_id,
                person_id=hold.person_id,
                device_id=hold.device_id,
                since=hold.since,
                after=after,
            )
            found.update(
                (trace.header.session_id, trace.place)
                for trace in page.traces
                if hold.covers(recorded(trace))
            )
            after = page.after
            if after is None:
                return found

    async def _purge_one(self, trace: ClosedTrace, order: Order, seen: Witness) -> str:
        # the rule and the holds as they are now: a long purge must not go by what was true when it began
        rule = await self._services.retention.rule(self._hospital_id)
        holds = await self._services.holds.standing(self._hospital_id)
        one = judged(trace, rule, holds, seen)
        if one.stays is not None:
            return one.stays
        if one.due_at > seen.now:
            return "early"
        try:
            outcome = await self._purger.purge(trace, order)
        except IntegrityError:  # another console began it
            return "elsewhere"
        await self._tell(trace, outcome, order)
        return outcome.fate

    async def _erase_one(self, erasure: Erasure, trace: ClosedTrace) -> None:
        if await self._held(trace):
            self.delays[erasure.id] = Outcome(Fate.HELD)
            return
        people = [one for one in (erasure.asked_by, erasure.decided_by) if one is not None]
        order = Order("erasure", erasure.reason, people)
        try:
            outcome = await self._purger.purge(trace, order)
        except IntegrityError:
            return
        await self._tell(trace, outcome, order)
        if outcome.fate in _GONE:
            self.delays.pop(erasure.id, None)
            await self._services.erasures.done(self._hospital_id, erasure.id)
        else:
            self.delays[erasure.id] = outcome

    async def _held(self, trace: ClosedTrace) -> bool:
        holds = await self._services.holds.standing(self._hospital_id)
        return bool(holding(holds, recorded(trace), self._clock.now()))

    async def _seen(self) -> Witness:
        stamped = bool(self._proofs.authorities)
        return await witness(self._proofs.database, self._hospital_id, self._clock.now(), stamped=stamped)

    async def _tell_refused(self, refused: RecorderError | None) -> None:
        if (refused is not None) == self._refused:
            return
        name = "alarm.hold_refused" if refused is not None else "alarm.hold_kept"
        await self._proofs.note(name, ACTOR, {} if refused is None else {"error": str(refused)})
        self._refused = refused is not None

    async def _tell_doubt(self, seen: Witness) -> None:
        if (seen.doubt is not None) == self._doubted:
            return
        self._doubted = seen.doubt is not None
        name = "alarm.purge_stopped" if self._doubted else "alarm.purge_resumed"
        await self._proofs.note(name, ACTOR, {"why": seen.doubt} if self._doubted else {})

    async def _tell(self, trace: ClosedTrace, outcome: Outcome, order: Order) -> None:
        name = "trace.purged"
        if outcome.fate in _WRONG:
            name = "alarm.purge_failed"
        elif outcome.fate not in _GONE:
            return
        header = trace.header
        await self._journal.append(
            SecurityEvent(
                name=name,
                hospital_id=self._hospital_id,
                at=self._clock.now(),
                actor=ACTOR,
                session_id=header.session_id,
                device_id=str(header.device["id"]),
                person_id=str(header.person["id"]),
                details={
                    "fate": outcome.fate.value,
                    "reason": order.reason,
                    "rule": order.rule,
                    "decided_by": list(order.decided_by),
                    "digest": outcome.digest,
                    "until": None if outcome.until is None else outcome.until.isoformat(),
                },
            )
        )
