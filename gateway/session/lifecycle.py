"""A session from the decision to the first byte: nothing dials before a Grant, nothing passes unrecorded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

import structlog
from asyncssh import (
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    ChannelOpenError,
)

from gateway.errors import (
    AccessRefused,
    AccessUnavailable,
    ChannelRefused,
    DeviceError,
    DeviceRefused,
    DeviceUnreachable,
    FlowRefused,
    HostKeyChanged,
    SessionEnded,
)
from gateway.journal import GatewayJournal
from gateway.session.bridge import Relay
from gateway.session.channels import Plan, plan
from gateway.session.idle import IdleMeter
from gateway.session.keeping import TraceWatch
from gateway.session.known import speak_of
from gateway.session.live import Session
from gateway.session.port_relay import PortRelay
from gateway.session.port_request import PortRequest, allowed_port
from gateway.session.reasons import EndReason, never_opened
from gateway.session.request import ChannelRequest
from gateway.session.transfer.command import Refused
from gateway.sshfix import ClientChannel, DeviceConnection
from gateway.target.dial import Dialler
from policy.clock import Clock
from policy.domain.access import AccessRequest, Denial, Grant
from policy.errors import Conflict, PolicyError, PolicyUnavailable
from policy.services.access import AccessService
from recorder.capture.spool import Recorder
from recorder.errors import RecorderError
from recorder.trace.frames import SESSION, FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.instants import text

MAX_DEVICE_CONNECTIONS = 8
"""Connections to the device for one session, where the device bounds channels a connection (MaxSessions)."""

_log = structlog.get_logger()


class Opener:
    """Opens sessions and their channels: the one door of every kind of channel (invariant 8)."""

    def __init__(
        self,
        *,
        access: AccessService,
        recorder: Recorder,
        dialler: Dialler,
        notes: GatewayJournal,
        clock: Clock,
        node: str,
        monotonic: Callable[[], float],
        keeping: TraceWatch,
        on_decision: Callable[[Grant | Denial, float], None] | None = None,
    ) -> None:
        """Join policy, recorder, device side and journal; *on_decision* hears of each, and of its seconds."""
        self._access = access
        self._recorder = recorder
        self._dialler = dialler
        self._notes = notes
        self._clock = clock
        self._node = node
        self._monotonic = monotonic
        self._keeping = keeping
        self._on_decision = on_decision

    async def open_session(
        self,
        request: AccessRequest,
        *,
        client_version: str,
        register: Callable[[Session], None],
        jumped: bool = False,
    ) -> Session:
        """Decide, take a lease, record, dial, in this order; *register* is called as soon as there is a Grant.

        *jumped*: she came by a connection inside her own (ssh -J); trace and journal say so.
        Raises AccessRefused, AccessUnavailable, DeviceError; then nothing is left open.
        """
        request = request.knowing(self._keeping.facts())
        decision = await self._decide(request, jumped)
        speak_of(decision)
        session = Session(decision, IdleMeter(self._monotonic()), self._monotonic)
        register(session)
        try:
            await self._lease(session)
            await self._open_trace(session, client_version, jumped)
            await self._connect(session)
            facts = {"jumped": jumped, "filtered": self._dialler.filtered}
            told = {name: True for name, true in facts.items() if true}
            await self._journalled(self._notes.session("session.opened", session.grant, told))
        except Conflict as error:
            # What changed between the decision and the lease is now a finding; asking again tells which.
            await self._give_up(session, error)
            await self._decide(request, jumped)
            raise AccessUnavailable("refusal.policy") from error
        except BaseException as error:
            await asyncio.shield(self._give_up(session, error))
            raise
        if session.ending is not None:
            raise SessionEnded
        session.opened = True
        _log.info("session.opened")
        return session

    async def open_channel(
        self,
        session: Session,
        person: ClientChannel,
        request: ChannelRequest,
        on_relay: Callable[[Relay], None],
    ) -> Relay:
        """Open one channel of *session* and return its relay, not yet resumed.

        Raises AccessRefused where the grant holds no more, AccessUnavailable where nobody can tell,
        ChannelRefused where it does not allow this channel, DeviceRefused where the device does not,
        DeviceError, SessionEnded.
        """
        await self._recheck(session)
        allowed = plan(request, session.obligations.channels)
        if isinstance(allowed, Refused):
            await self.refuse(session, request.facts(), allowed)
            raise ChannelRefused(allowed.key, allowed.code)
        relay = session.new_relay(person, request)
        relay.directions = allowed.directions
        on_relay(relay)
        try:
            session.record(FrameType.OPEN, relay.number, {"kind": SESSION})
            await session.keep(FrameType.REQUEST, relay.number, request.facts())
            self._equip(session, relay, allowed)
            await self._start(session, relay)
        except BaseException:
            session.relays.pop(relay.number, None)
            relay.over = True
            raise
        return relay

    async def open_port(self, session: Session, request: PortRequest) -> PortRelay:
        """Open one port of the device and return its relay, which the person's channel is yet to join.

        Raises as ``open_channel`` does; DeviceRefused where nothing listens there or the device forwards nothing.
        """
        await self._recheck(session)
        forward = allowed_port(request, session.grant, session.obligations)
        if isinstance(forward, Refused):
            await self.refuse(session, request.facts(), forward)
            raise ChannelRefused(forward.key, forward.code)
        relay = session.new_port(request)
        try:
            await session.keep(FrameType.OPEN, relay.number, request.opening(forward))
            if not session.connections or session.ending is not None:
                raise SessionEnded
            await relay.start(session.connections[-1])
        except BaseException as error:
            session.relays.pop(relay.number, None)
            relay.over = True
            if isinstance(error, ChannelOpenError):
                facts = {**request.facts(), "reason": DeviceRefused.key, "detail": str(error)[:200]}
                await session.keep(FrameType.REFUSED, relay.number, facts)
                raise DeviceRefused(str(error)) from error
            raise
        return relay

    async def keep_refused(self, session: Session, facts: Mapping[str, object], refused: Refused) -> None:
        """Record a refused request that is in the journal already."""
        await session.keep(FrameType.REFUSED, 0, {**facts, "reason": refused.key, "rule": refused.code})

    async def refuse(self, session: Session, facts: Mapping[str, object], refused: Refused) -> None:
        """Record and journal a refused request."""
        await self.keep_refused(session, facts, refused)
        told = {**facts, "reason": refused.key, "rule": refused.code}
        await self._journalled(self._notes.session("channel.refused", session.grant, told))

    async def _decide(self, request: AccessRequest, jumped: bool) -> Grant:
        began = perf_counter()
        try:
            decision = await self._access.decide(request)
        except PolicyError as error:
            raise AccessUnavailable("refusal.policy") from error
        if self._on_decision is not None:
            self._on_decision(decision, perf_counter() - began)
        if isinstance(decision, Denial):
            await self._journalled(self._notes.refused(request, decision, jumped=jumped))
            raise AccessRefused(decision)
        return decision

    async def _recheck(self, session: Session) -> None:
        """Ask policy again, for the last answer may be older than a cut by as much as the outbox's polls are apart.

        Channels that are asked for at once share the answer to a question that was put after each of them came.
        """
        came = next(session.turns)
        async with session.asking:
            if session.asked < came:
                asked = next(session.turns)
                await self._ask_again(session)
                session.asked = asked
        match session.turned_down:
            case Denial() as denial:
                raise AccessRefused(denial)
            case PolicyError() as error:
                raise AccessUnavailable("refusal.policy") from error
        if session.ending is not None:
            raise SessionEnded

    async def _ask_again(self, session: Session) -> None:
        try:
            answers = await self._access.recheck([session.grant])
        except PolicyError as error:
            session.turned_down = error
            return
        answer = answers.get(session.grant.session_id)
        session.turned_down = answer if isinstance(answer, Denial) else None
        session.on_answer(session, answer)

    # --- steps --------------------------------------------------------------------------------------------

    async def _open_trace(self, session: Session, client_version: str, jumped: bool) -> None:
        header = _header(session.grant, self._node, self._clock, client_version, jumped)

        def failed(_error: Exception) -> None:
            session.end(EndReason.RECORDER)  # the recorder itself raises the alarm

        try:
            await self._recorder.check_writable()
            session.recording = await self._recorder.open(header, failed)
        except (RecorderError, OSError) as error:
            self._notes.alarm("recording_unavailable", {"detail": str(error)[:200]})
            raise AccessUnavailable("refusal.recorder") from error
        if session.ending is not None:  # its end saw no trace to close
            await session.recording.close(session.ending.value)
            raise SessionEnded

    async def _lease(self, session: Session) -> None:
        try:
            session.earlier = await self._access.session_opened(session.grant, self._node)
        except Conflict:
            raise
        except PolicyError as error:
            raise AccessUnavailable("refusal.policy") from error

    async def _connect(self, session: Session) -> DeviceConnection:
        def lost(error: Exception | None) -> None:
            if connection in session.connections:
                session.connections.remove(connection)
            if not session.connections:
                session.end(EndReason.FLOW if isinstance(error, FlowRefused) else EndReason.DEVICE)

        def left() -> float:
            end, now = session.obligations.hard_end, self._clock.now()
            return session.deadline.remaining(end, now, self._monotonic()).total_seconds()

        try:
            connection = await self._dialler.dial(session.grant, lost, left)
        except PolicyUnavailable as error:
            raise AccessUnavailable("refusal.policy") from error
        if session.ending is not None:  # its end saw no connection to close
            connection.close()
            raise SessionEnded
        session.connections.append(connection)
        return connection

    def _equip(self, session: Session, relay: Relay, allowed: Plan | ChannelRefused) -> None:
        if isinstance(allowed, Plan):
            allowed.equip(
                relay,
                lambda name, facts: self._notes.alarm(name, {"session": session.grant.session_id, **facts}),
                lambda refused: session.on_refused(relay, refused),
            )

    async def _start(self, session: Session, relay: Relay) -> None:
        """Open the twin on the newest connection, or on one more where that one has no room."""
        own: DeviceConnection | None = None
        while True:
            if not session.connections or session.ending is not None:
                raise SessionEnded
            tried = session.connections[-1]
            try:
                await relay.start(tried)
            except ChannelOpenError as error:
                if error.code in {OPEN_REQUEST_SESSION_FAILED, OPEN_REQUEST_PTY_FAILED}:
                    raise DeviceRefused(str(error)) from error
                if tried is own:
                    raise DeviceUnreachable(f"the device opens no channel: {error}") from error
                own = await self._one_more(session, tried, error) or own
            else:
                return

    async def _one_more(
        self, session: Session, full: DeviceConnection, error: ChannelOpenError
    ) -> DeviceConnection | None:
        """Return one more connection to the device, None where a channel beside had opened one since *full* was tried."""
        async with session.growing:
            if not session.connections or session.connections[-1] is not full:
                return None
            if len(session.connections) >= MAX_DEVICE_CONNECTIONS:
                raise DeviceUnreachable(f"the device opens no channel: {error}") from error
            return await self._connect(session)

    async def _give_up(self, session: Session, error: BaseException) -> None:
        if isinstance(error, DeviceError):
            facts = {"error": type(error).__name__, "detail": error.detail[:400]}
            name = "device.host_key_changed" if isinstance(error, HostKeyChanged) else "device.failed"
            if isinstance(error, HostKeyChanged):
                self._notes.alarm("host_key_changed", {"device": session.grant.device_name, **facts})
            await self._quietly(self._notes.session(name, session.grant, facts))
        session.end(never_opened(error))

    @staticmethod
    async def _journalled(writing: Awaitable[None]) -> None:
        try:
            await writing
        except RecorderError as error:
            raise AccessUnavailable("refusal.recorder") from error

    @staticmethod
    async def _quietly(writing: Awaitable[None]) -> None:
        try:
            await writing
        except RecorderError as error:
            _log.error("journal.failed", error=str(error))


def _header(grant: Grant, node: str, clock: Clock, client_version: str, jumped: bool) -> TraceHeader:
    return TraceHeader(
        session_id=grant.session_id,
        hospital_id=grant.hospital_id,
        node=node,
        started_at=clock.now(),
        person={"id": grant.person_id, "login": grant.person_login, "full_name": grant.person_name},
        supplier={"id": grant.supplier_id or "", "name": grant.supplier_name},
        device={
            "id": grant.device_id,
            "name": grant.device_name,
            "address": grant.address,
            "port": grant.port,
        },
        account=grant.account_name,
        intervention={"id": grant.intervention_id, "kind": grant.kind.value, "purpose": grant.purpose},
        window={
            "id": grant.window_id,
            "start": text(grant.opened),
            "end": text(grant.obligations.hard_end),
        },
        factors=sorted(factor.value for factor in grant.factors),
        source=grant.source,
        decision={
            "issued_at": text(grant.issued_at),
            "level": grant.level.value,
            "channels": sorted(channel.value for channel in grant.obligations.channels),
            "forwards": [forward.port for forward in grant.obligations.forwards],
            "idle_seconds": grant.obligations.idle_limit.total_seconds(),
            "held": [finding.code for finding in grant.findings if finding.held],
            "findings": [finding.described() for finding in grant.findings],
            "jumped": jumped,
        },
        client_version=client_version[:255],
    )
