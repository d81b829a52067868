"""Holds every live session to its obligations: idle limit, window end, cuts, an unreadable policy, drain."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog

from gateway.journal import GatewayJournal
from gateway.server.banners import Wording
from gateway.session.bridge import Relay
from gateway.session.channels import still_allowed
from gateway.session.ending import HangUp, end_session
from gateway.session.keeping import TraceWatch
from gateway.session.known import known_by
from gateway.session.leases import Leases
from gateway.session.limits import Limits
from gateway.session.live import Session
from gateway.session.notices import is_extension, notice
from gateway.session.port_relay import PortRelay
from gateway.session.reasons import EndReason
from gateway.session.transfer.command import Refused
from policy.clock import Clock
from policy.domain.access import Denial, Held
from policy.domain.events import PolicyEvent
from policy.domain.ids import HospitalId, PersonId
from policy.errors import PolicyError
from policy.services.access import AccessService

LATEST = datetime.max.replace(tzinfo=UTC)
TICK_SECONDS = 0.25
HEARTBEAT_SECONDS = 3.0
LOOK_AROUND_SECONDS = 300.0
"""How often it is looked for what gateways left that do not come back."""
ENDING_SECONDS = 5.0
"""How long a newcomer waits for the end of what her broken connection left."""

_log = structlog.get_logger()


class Supervisor:
    """One a gateway. One tick looks at all sessions; each end runs as its own task."""

    def __init__(
        self,
        *,
        access: AccessService,
        journal: GatewayJournal,
        wording: Wording,
        clock: Clock,
        monotonic: Callable[[], float],
        hospital_id: HospitalId,
        node: str,
        poll_seconds: float,
        policy_grace_seconds: float,
        on_change: Callable[[PolicyEvent], None],
        keeping: TraceWatch,
    ) -> None:
        """Ask *access* about changes every *poll_seconds*; outlive an unreadable policy by the grace.

        *on_change* hears of each change once, before the live grants are asked about. *keeping* knows whether the
        traces arrive where they belong.
        """
        self._access = access
        self._journal = journal
        self._wording = wording
        self._clock = clock
        self._monotonic = monotonic
        self._hospital_id = hospital_id
        self._node = node
        self._poll_seconds = poll_seconds
        self._grace = policy_grace_seconds
        self._on_change = on_change
        self._keeping = keeping
        self._sessions: dict[Session, HangUp] = {}
        self._alive: dict[Session, Callable[[], Awaitable[bool]]] = {}
        self._of: defaultdict[PersonId, set[Session]] = defaultdict(set)
        self._fresh: set[Session] = set()
        self._due = LATEST
        self._ends: set[asyncio.Task[None]] = set()
        self._leases = Leases(access, node, clock)
        self._limits = Limits(wording, clock, monotonic)
        self._loops: list[asyncio.Task[None]] = []
        self._cursor: int | None = None
        self._unreadable_since: float | None = None
        self._told: set[Session] = set()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self.failed = False

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are open or opening."""
        return list(self._sessions)

    @property
    def policy_readable(self) -> bool:
        """Whether policy answered when it was last asked, twice a second, and somebody still asks."""
        return self._unreadable_since is None and not self.failed

    async def start(self) -> None:
        """Read the outbox's head, then look after what is registered. Raises PolicyUnavailable."""
        self._cursor, _ = await self._access.changes_since(None)
        await self._access.node_started(self._hospital_id, self._node)
        self._loops = [asyncio.create_task(loop()) for loop in (self._tick, self._poll, self._beat)]
        for loop in self._loops:
            loop.add_done_callback(self._loop_ended)

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        """Nobody would be cut any more: better no session than one that nobody looks after."""
        if self._stopping.is_set():
            return
        error = None if loop.cancelled() else loop.exception()
        self._journal.alarm("supervision_failed", {"node": self._node, "error": repr(error)[:200]})
        self.failed = True
        for session in self.sessions:
            self.end(session, EndReason.FAILURE)

    async def stop(self) -> None:
        """Stop looking; sessions must have ended before."""
        # Never cancelled: a question to the database that is dropped half-way costs its connection.
        self._stopping.set()
        self._woken.set()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._ends:
            await asyncio.wait(set(self._ends))

    def register(self, session: Session, hang_up: HangUp, alive: Callable[[], Awaitable[bool]]) -> None:
        """Look after *session* from now on; it is asked about at the next poll whatever happened before.

        *hang_up* closes its person's connection, *alive* tells whether that one still answers.
        """
        self._sessions[session] = hang_up
        self._alive[session] = alive
        self._of[session.grant.person_id].add(session)
        self._fresh.add(session)
        session.on_end = self.end
        session.on_answer = self._take
        session.on_violation = lambda relay: self._violated(session, relay)
        session.on_refused = lambda relay, refused: self._tell(session, relay, refused)
        self._woken.set()
        if self.failed:
            self.end(session, EndReason.FAILURE)

    def end(self, session: Session, reason: EndReason, denial: Denial | None = None) -> None:
        """End *session* unless it is ending already."""
        if session.ending is not None:
            return
        session.ending = reason
        session.ended_by = () if denial is None else denial.failed
        hang_up = self._sessions.get(session, _nothing)
        try:
            message = self._wording.ended(reason, session.grant, denial)
        except Exception as error:  # no words are no reason to let a session live
            _log.error("session.end_unworded", error=repr(error), **known_by(session.grant))
            message = reason.value
        work = end_session(
            session,
            reason,
            message,
            journal=self._journal,
            hang_up=hang_up,
            leases=self._leases,
        )
        task = asyncio.get_running_loop().create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
        task.add_done_callback(lambda _done: self._forget(session))

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session, None)
        self._alive.pop(session, None)
        self._fresh.discard(session)
        hers = self._of[session.grant.person_id]
        hers.discard(session)
        if not hers:
            del self._of[session.grant.person_id]

    async def sound_out(self, person_id: PersonId, newcomer: HangUp) -> None:
        """End what is left of the person's connections that no longer answer, before she begins anew.

        A network that broke leaves a connection that looks open; it must neither count against her nor keep her
        out. *newcomer* closes the connection that she now comes by, which is not asked.
        """
        others = [
            session
            for session in self._of.get(person_id, ())
            if session.ending is None and self._sessions[session] != newcomer
        ]
        if not others:
            return
        answers = await asyncio.gather(
            *(self._alive[session]() for session in others), return_exceptions=True
        )
        gone = [session for session, answer in zip(others, answers, strict=True) if answer is not True]
        for session in gone:
            self.end(session, EndReason.LOST)
        if gone:
            ends = [asyncio.ensure_future(session.ended.wait()) for session in gone]
            _, late = await asyncio.wait(ends, timeout=ENDING_SECONDS)
            for task in late:
                task.cancel()

    async def end_all(self, reason: EndReason) -> None:
        """End every session and wait until they have ended."""
        for session in self.sessions:
            self.end(session, reason)
        if self._ends:
            await asyncio.wait(set(self._ends))

    # --- what needs no question ---------------------------------------------------------------------------

    async def _tick(self) -> None:
        while not await self._stopped_within(TICK_SECONDS):
            self._limits.look(self.sessions, self)
            self._keeping.look(self.sessions, self)

    @staticmethod
    def warn(session: Session, text: str) -> None:
        """Tell the person on each of her channels."""
        for relay in list(session.relays.values()):
            relay.warn(text)

    # --- what policy must be asked ------------------------------------------------------------------------

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._ask()
            except PolicyError as error:
                self._unreadable(error)
            except Exception as error:
                _log.error("policy.poll_failed", error=repr(error))
                self._unreadable(error)

    async def _ask(self) -> None:
        changed: set[HospitalId] = set()
        while True:
            self._cursor, events = await self._access.changes_since(self._cursor)
            changed |= {event.hospital_id for event in events}
            for event in events:
                self._on_change(event)
                self._answer(event)
                if event.name == "exercise.begun":
                    await self._rehearse(event)
            if not events:
                break
        asked = self._to_ask(changed)
        if asked:
            answers = await self._access.recheck([session.grant for session in asked])
            self._fresh.difference_update(asked)
            for session in asked:
                self._take(session, answers.get(session.grant.session_id))
        self._told.clear()
        if self._unreadable_since is not None:
            self._unreadable_since = None
            self._journal.alarm("policy_readable", {"node": self._node})

    def _to_ask(self, changed: Collection[HospitalId]) -> list[Session]:
        """Return whose grant may hold no more: without a change and before its time, none but who has just come."""
        now, everybody = self._clock.now(), self._unreadable_since is not None
        if not (everybody or changed or self._due <= now):
            return [one for one in self._fresh if one.ending is None]
        live = [one for one in self.sessions if one.ending is None]
        self._due = min((one.ask_again_at for one in live if one.ask_again_at > now), default=LATEST)
        return [
            one
            for one in live
            if everybody or one.grant.hospital_id in changed or one in self._fresh or one.ask_again_at <= now
        ]

    async def _rehearse(self, event: PolicyEvent) -> None:
        """Answer an exercise of the own hospital's general cut, and cut nothing."""
        if event.hospital_id != self._hospital_id:
            return
        try:
            await self._access.exercise_heard(
                event.hospital_id, event.subject, self._node, len(self.sessions)
            )
        except PolicyError as error:
            _log.warning("exercise.unanswered", error=str(error))

    def _answer(self, event: PolicyEvent) -> None:
        """Tell whoever asked for it what was decided, on each of her terminals."""
        for session in self.sessions:
            try:
                text = notice(event, session.grant, self._wording)
            except Exception as error:  # no words are no reason to take policy for unreadable
                _log.error("notice.unworded", error=repr(error), **known_by(session.grant))
                continue
            if text is not None and session.ending is None:
                self.warn(session, text)
                if is_extension(event):
                    self._told.add(session)

    def _take(self, session: Session, answer: Held | Denial | None) -> None:
        if isinstance(answer, Held):
            if answer.obligations.hard_end != session.obligations.hard_end and session not in self._told:
                end, language = answer.obligations.hard_end, session.grant.language
                self.warn(session, self._wording.say("warning.window-changed", language, end=end))
            session.obligations = answer.obligations
            session.quiet_until = -math.inf
            self._narrow(session)
            session.ask_again_at = answer.ask_again_at
            self._due = min(self._due, answer.ask_again_at)
        elif isinstance(answer, Denial):
            self.end(session, _reason(answer), answer)
        else:
            self.end(session, EndReason.REFUSED)

    def _narrow(self, session: Session) -> None:
        """End the open channels that the window no longer allows."""
        for relay in list(session.relays.values()):
            refused = still_allowed(relay, session.obligations)
            if refused is not None and not relay.over:
                self._stop(session, relay, self._wording.channel_refused(refused, session.grant.language))

    def _tell(self, session: Session, relay: Relay, refused: Refused) -> None:
        relay.warn(self._wording.channel_refused(refused, session.grant.language))

    def _violated(self, session: Session, relay: Relay) -> None:
        self._stop(session, relay, self._wording.say("end.protocol", session.grant.language))

    def _stop(self, session: Session, relay: Relay | PortRelay, text: str) -> None:
        """End one channel from here, and tell the journal."""
        relay.terminate(text)
        self.note("channel.stopped", session, {"channel": relay.number, "reason": text[:200]})

    def note(self, name: str, session: Session, facts: Mapping[str, object]) -> None:
        """Tell the journal, behind whatever goes on."""
        task = asyncio.get_running_loop().create_task(self._journal.quietly(name, session.grant, facts))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    def _unreadable(self, error: Exception) -> None:
        """Count the grace, and end everybody after it."""
        now = self._monotonic()
        if self._unreadable_since is None:
            self._unreadable_since = now
            self._journal.alarm("policy_unreadable", {"node": self._node, "detail": str(error)[:200]})
            for session in self.sessions:
                grace = timedelta(seconds=self._grace)
                self.warn(
                    session, self._wording.say("warning.policy", session.grant.language, remaining=grace)
                )
        if now - self._unreadable_since >= self._grace:
            for session in self.sessions:
                self.end(session, EndReason.POLICY)

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _beat(self) -> None:
        looked = self._monotonic()
        while not await self._stopped_within(HEARTBEAT_SECONDS):
            try:
                await self._leases.renew()
                if self._monotonic() - looked >= LOOK_AROUND_SECONDS:
                    looked = self._monotonic()
                    await self._access.left_behind(self._hospital_id)
            except PolicyError as error:
                looked = self._monotonic()  # once policy is back, the others need time to say that they live
                _log.warning("lease.heartbeat_failed", error=str(error), next="sessions go on; tried again")


def _reason(denial: Denial) -> EndReason:
    keys = {finding.key for finding in denial.failed}
    if keys & {"finding.X35.cut", "finding.X35.closed"}:
        return EndReason.CUT
    if all(key.startswith("finding.S35.key_") for key in keys):
        return EndReason.FACTOR
    return EndReason.WINDOW if keys == {"finding.O3.ended"} else EndReason.REFUSED


def _nothing(text: str = "") -> None:
    del text
