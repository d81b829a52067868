"""Who may enter now: the facts read at one instant, the engine's answer, and the leases of open sessions."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from embedded.batches import Batches
from embedded.patience import patience
from policy.clock import Clock
from policy.domain.access import AccessRequest, Denial, Explanation, Grant, Held, Opening
from policy.domain.events import PolicyEvent
from policy.domain.ids import HospitalId, PersonId, SessionId
from policy.domain.people import Factor
from policy.domain.posts import post_of
from policy.domain.proofs import KeyStanding, ProvedLogin
from policy.domain.sessions import Closing, Earlier, LiveSession
from policy.domain.ways import Way
from policy.engine.decide import decide
from policy.engine.explain import explain
from policy.engine.openings import openings
from policy.engine.recheck import recheck
from policy.engine.ways import ways
from policy.errors import Conflict, NotFound
from policy.services import endings
from policy.services.key_standings import KeyStandings
from policy.settings import PolicySettings
from policy.store.database import Database, silence_means_unavailable
from policy.store.repositories.facts import Snapshot
from policy.store.unit_of_work import UnitOfWork, View

_CHANGES = 500
"""How many events one call hands over at most."""
_GONE = timedelta(hours=1)
"""A gateway that was silent for so long holds no session: without policy each ends after minutes (invariant 12)."""
_BATCH = 50
"""How many live grants are judged in one go: each has the store's whole patience, and holds the loop for some 20 ms."""


class AccessService:
    """The gateway's questions. Every method raises PolicyUnavailable where the store does not answer in time."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Decide on what *database* says, at the instants *clock* tells."""
        self._database = database
        self._clock = clock
        self._settings = settings
        self._standings = KeyStandings()
        self._closings = Batches(self._close)

    async def decide(self, request: AccessRequest) -> Grant | Denial:
        """Answer *request* now; raises NotFound for an unknown person."""
        async with self._glance() as view:
            at = self._clock.now()
            read = await self._read(view, request.hospital_id, [request.person_id], at, [request.device_name])
            standings = await self._standings.of(view, request.hospital_id, _logins([request]), at)
        device = read.device_named(request.device_name)
        facts = read.facts(request.person_id, device, _standing(request, standings))
        answer = decide(request, facts, at)
        if isinstance(answer, Denial) and any(finding.code == "E2" for finding in answer.failed):
            await self._tell_first_post(request)
        return answer

    async def _tell_first_post(self, request: AccessRequest) -> None:
        """Let whoever is at the first post read that another one was refused (E2: both are told)."""
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            facts = {"source": request.source, "device": request.device_name}
            await work.emit("person.second_post_refused", request.hospital_id, request.person_id, {}, facts)

    async def recheck(self, grants: Sequence[Grant]) -> dict[SessionId, Held | Denial]:
        """Answer all live *grants* again, so many from one snapshot that sessions wait for no answer in between."""
        answers: dict[SessionId, Held | Denial] = {}
        for first in range(0, len(grants), _BATCH):
            async with self._glance() as view:
                answers |= await self._recheck(view, grants[first : first + _BATCH])
        return answers

    async def lost(self, logins: Collection[ProvedLogin]) -> Mapping[ProvedLogin, KeyStanding]:
        """Return those of *logins* whose key counts no more, with what became of it."""
        found: dict[ProvedLogin, KeyStanding] = {}
        if not logins:
            return found
        async with self._snapshot() as view:
            for hospital_id in {login.hospital_id for login in logins}:
                mine = {login for login in logins if login.hospital_id == hospital_id}
                found |= await self._standings.of(view, hospital_id, mine, self._clock.now())
        return {login: standing for login, standing in found.items() if standing.loss is not None}

    async def explain(
        self,
        hospital_id: HospitalId,
        person_login: str,
        device_name: str,
        account_name: str | None = None,
        *,
        at: datetime | None = None,
        source: str | None = None,
        factors: frozenset[Factor] = frozenset(),
    ) -> Explanation:
        """Return every rule, held or failed, for that person and device at *at* (None: now).

        Without a *source* or *factors*, what only the log-in shows is not judged. Raises NotFound for an
        unknown person; an unknown device is a finding like any other.
        """
        async with self._snapshot() as view:
            instant = at or self._clock.now()
            person = await view.people.by_login(hospital_id, person_login)
            if person is None:
                raise NotFound("person", person_login)
            read = await self._read(view, hospital_id, [person.id], instant, [device_name])
        request = AccessRequest(
            hospital_id=hospital_id,
            person_id=person.id,
            device_name=device_name,
            account_name=account_name,
            source=source or "",
            factors=factors,
        )
        return explain(request, read.facts(person.id, read.device_named(device_name)), instant)

    async def openings(self, hospital_id: HospitalId, person_id: PersonId) -> list[Opening]:
        """Return what is open now for the person, by device and account; raises NotFound for an unknown one."""
        async with self._snapshot() as view:
            at = self._clock.now()
            read = await self._read(view, hospital_id, [person_id], at, None)
        return openings((read.facts(person_id, device_id) for device_id in read.reach), at)

    async def ways(self, hospital_id: HospitalId, person_id: PersonId) -> list[Way]:
        """Return where the person may go, now or later, by device; raises NotFound for an unknown one."""
        async with self._snapshot() as view:
            at = self._clock.now()
            read = await self._read(view, hospital_id, [person_id], at, None)
        return ways((read.facts(person_id, device_id) for device_id in read.reach), at)

    async def node_started(self, hospital_id: HospitalId, node: str) -> Sequence[LiveSession]:
        """Note that the hospital's gateway *node* has begun; end and return what an earlier process of that name left open.

        It ends as of its last sign of life, and with it the journal is told, unless that one lived to do so.
        """
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            at = self._clock.now()
            left = await work.leases.end_left_open(hospital_id, node, at)
            await endings.tell_left(work, left)
            await work.leases.beat(node, at, began_for=hospital_id)
        return left

    async def left_behind(self, hospital_id: HospitalId) -> Sequence[LiveSession]:
        """End and return what gateways that have been gone for long held beyond its hard end, as ``node_started`` does.

        To be asked only by one that has reached policy for a while: when policy is back, every other is as silent yet.
        """
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            at = self._clock.now()
            left = await work.leases.end_left_behind(hospital_id, at - _GONE, at)
            await endings.tell_left(work, left)
        return left

    async def heartbeat(self, node: str) -> None:
        """Renew the leases of *node*; after ``settings.lease`` of silence its sessions count as lost."""
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            await work.leases.beat(node, self._clock.now())

    async def gateways(self, hospital_id: HospitalId) -> Mapping[str, datetime]:
        """Return the hospital's gateways that live, by name, and when each began."""
        async with self._snapshot() as view:
            return await view.leases.living(hospital_id, self._beat_since())

    async def session_opened(self, grant: Grant, node: str) -> Earlier | None:
        """Take a lease for the session of *grant*, held by *node*; return what came before it in its intervention.

        Raises Conflict where the person's sessions are at their limit, or the grant no longer holds: what was
        cut between the decision and this call does not open.
        """
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            await work.leases.hold_person(grant.hospital_id, grant.person_id)
            answer = (await self._recheck(work, [grant])).get(grant.session_id)
            if not isinstance(answer, Held):
                raise Conflict("access was withdrawn between the decision and the session")
            held = await work.leases.count_live(grant.hospital_id, grant.person_id, self._beat_since())
            await self._one_post(work, grant)
            if held >= self._settings.session_limit:
                raise Conflict(f"{held} sessions are open already, and no more than that are allowed")
            await work.leases.beat(node, self._clock.now())
            earlier = await work.leases.earlier(grant)
            await work.leases.open(grant, node)
        return earlier

    async def _one_post(self, work: UnitOfWork, grant: Grant) -> None:
        """Raise Conflict where a session from another post was opened since the decision (E2)."""
        person = await work.people.get(grant.hospital_id, grant.person_id)
        bound = person.one_post
        if not bound and person.supplier_id is not None:
            bound = (await work.suppliers.get(grant.hospital_id, person.supplier_id)).one_post
        if not bound:
            return
        sources = await work.leases.sources(grant.hospital_id, [person.id], self._beat_since())
        if any(post_of(source) != post_of(grant.source) for source in sources.get(person.id, ())):
            raise Conflict("a session of hers is open at another post")

    async def session_closed(
        self,
        hospital_id: HospitalId,
        session_id: SessionId,
        reason: str,
        *,
        at: datetime | None = None,
        facts: Mapping[str, object] | None = None,
        told: bool = True,
    ) -> None:
        """Give the lease of a session that ended *at* (None: now) back; *reason* is the gateway's code.

        A second time changes nothing. *facts* is what the journal is to know besides, *told* that it does: it is brought
        what it does not, and also that there was no interruption where another gateway had told of one. Those that end
        together share a transaction, however many they are.
        """
        await self._closings.add(
            Closing(
                hospital_id=hospital_id,
                session_id=session_id,
                at=at or self._clock.now(),
                reason=reason,
                facts=facts or {},
                told=told,
            )
        )

    async def _close(self, closings: Sequence[Closing]) -> None:
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            await endings.close(work, closings)

    async def sessions(
        self, hospital_id: HospitalId, *, ended_since: datetime | None = None
    ) -> list[LiveSession]:
        """Return the sessions open, live or lost, and those ended at *ended_since* or later, newest first."""
        async with self._snapshot() as view:
            found = await view.leases.list(hospital_id, self._beat_since(), ended_since=ended_since)
        return list(found)

    async def session(self, hospital_id: HospitalId, session_id: SessionId) -> LiveSession:
        """Return one session, whatever its state; raises NotFound."""
        async with self._snapshot() as view:
            found = await view.leases.list(hospital_id, self._beat_since(), session_ids=[session_id])
        if not found:
            raise NotFound("session", session_id)
        return found[0]

    async def exercise_heard(
        self, hospital_id: HospitalId, exercise_id: str, node: str, sessions: int
    ) -> None:
        """Note that gateway *node* heard of an exercise, and how many *sessions* a cut would have ended there."""
        async with self._deadline(), self._database.unit_of_work(None, self._clock) as work:
            await work.exercises.answer(hospital_id, exercise_id, node, sessions)

    async def changes_since(self, cursor: int | None) -> tuple[int, list[PolicyEvent]]:
        """Return the changes committed after *cursor*, oldest first, and the next cursor.

        None means from now on, 0 everything there ever was. At most 500 at once: call again until none is left.
        No change is ever missed: a position is seen only after every smaller one (see ``Outbox``).
        """
        async with self._glance() as view:
            if cursor is None:
                return await view.outbox.head(), []
            found = await view.outbox.after(cursor, _CHANGES)
        return (found[-1][0] if found else cursor), [event for _position, event in found]

    async def _recheck(self, view: View, grants: Sequence[Grant]) -> dict[SessionId, Held | Denial]:
        at = self._clock.now()
        by_hospital: dict[HospitalId, list[Grant]] = defaultdict(list)
        for grant in grants:
            by_hospital[grant.hospital_id].append(grant)
        answers: dict[SessionId, Held | Denial] = {}
        for hospital_id, mine in by_hospital.items():
            read = await view.facts.snapshot(
                hospital_id,
                {grant.person_id for grant in mine},
                at=at,
                lease=self._settings.lease,
                session_limit=self._settings.session_limit,
                devices={grant.device_id for grant in mine},
                occurrences={grant.occurrence_id for grant in mine},
                revoked_since=min(grant.issued_at for grant in mine),
            )
            if read is None:
                raise NotFound("person", mine[0].person_id)
            standings = await self._standings.of(view, hospital_id, _logins(mine), at)
            for grant in mine:
                facts = read.facts(grant.person_id, grant.device_id, _standing(grant, standings))
                answers[grant.session_id] = recheck(grant, facts, at)
        return answers

    async def _read(
        self,
        view: View,
        hospital_id: HospitalId,
        people: Sequence[PersonId],
        at: datetime,
        names: Sequence[str] | None,
    ) -> Snapshot:
        read = await view.facts.snapshot(
            hospital_id,
            people,
            at=at,
            lease=self._settings.lease,
            session_limit=self._settings.session_limit,
            names=names or (),
        )
        if read is None:
            raise NotFound("person", ", ".join(people))
        return read

    def _beat_since(self) -> datetime:
        return self._clock.now() - self._settings.lease

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[View]:
        async with self._deadline(), self._database.read() as view:
            yield view

    @asynccontextmanager
    async def _glance(self) -> AsyncIterator[View]:
        """Facts come by one statement; the little that some need besides may be newer, and a lease asks all of it again."""
        async with self._deadline(), self._database.glance() as view:
            yield view

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        with silence_means_unavailable():
            async with patience(self._settings.store_timeout.total_seconds()):
                yield


def _login(asked: AccessRequest | Grant) -> ProvedLogin | None:
    if asked.proved_key is None:
        return None
    return ProvedLogin(
        hospital_id=asked.hospital_id,
        person_id=asked.person_id,
        source=asked.source,
        key=asked.proved_key,
        token=Factor.TOKEN_CERTIFICATE in asked.factors,
    )


def _logins(asked: Sequence[AccessRequest | Grant]) -> set[ProvedLogin]:
    return {login for one in asked if (login := _login(one)) is not None}


def _standing(
    asked: AccessRequest | Grant, standings: Mapping[ProvedLogin, KeyStanding]
) -> KeyStanding | None:
    login = _login(asked)
    return None if login is None else standings[login]
