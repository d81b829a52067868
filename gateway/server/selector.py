"""What becomes of a channel: the device that was named, the menu, a command, or a refusal."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from weakref import WeakSet

import structlog

from gateway.context import GatewayContext
from gateway.errors import (
    AccessRefused,
    AccessUnavailable,
    ChannelRefused,
    DeviceError,
    DeviceRefused,
    SessionEnded,
)
from gateway.server.channel import PersonChannel
from gateway.server.commands import Caller
from gateway.server.lobby import Lobby
from gateway.server.login import LoginName
from gateway.server.reading import Reading
from gateway.session.bridge import Relay
from gateway.session.ending import HangUp
from gateway.session.known import speak_of
from gateway.session.live import Session
from gateway.session.port_relay import PortRelay
from gateway.session.port_request import PortRequest
from gateway.session.reasons import EndReason
from gateway.session.request import ChannelRequest
from gateway.session.transfer.command import Refused
from policy.domain.access import AccessRequest, Opening
from policy.domain.people import Factor, Person
from policy.domain.proofs import ProvedLogin
from policy.errors import PolicyError
from recorder.errors import RecorderError

MAX_REFUSALS = 100
"""Refused forwardings after which a connection is taken for an attack and closed."""
COMMANDS_AT_ONCE = 4
"""Commands of one connection that are answered at a time; further ones wait, and not everybody else's questions to policy."""
TELLING_SECONDS = 3.0
"""How long a log-in that counts no more is left to the last words of its sessions."""

_log = structlog.get_logger()
_Target = tuple[str, str | None]


class Selector:
    """Serves the channels of one connection: one session a device, opened at the first channel."""

    def __init__(
        self,
        context: GatewayContext,
        *,
        name: LoginName,
        person: Person,
        factors: frozenset[Factor],
        proved_key: bytes | None,
        source: str,
        client_version: str,
        hang_up: HangUp,
        alive: Callable[[], Awaitable[bool]],
        jumped: bool = False,
    ) -> None:
        """Serve *person*, who logged in as *name* from *source*; *hang_up* closes her connection.

        *jumped*: the connection is one inside another, where she logged in.
        """
        self._context = context
        self._name = name
        self._person = person
        self._factors = factors
        self._proved_key = proved_key
        self._source = source
        self._client_version = client_version
        self._hang_up = hang_up
        self._alive = alive
        self._jumped = jumped
        self._opening: dict[_Target, asyncio.Task[Session]] = {}
        self._sessions: list[Session] = []
        self._looking: asyncio.Future[list[Opening] | None] | None = None
        self._within: WeakSet[Selector] = WeakSet()
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._refusals: list[tuple[Mapping[str, object], Refused]] = []
        self._refused = 0
        self._left = False

    @property
    def person(self) -> Person:
        """Who logged in."""
        return self._person

    @property
    def proved(self) -> ProvedLogin | None:
        """The log-in that everything here rests on, where it began with a key."""
        if self._proved_key is None:
            return None
        return ProvedLogin(
            hospital_id=self._person.hospital_id,
            person_id=self._person.id,
            source=self._source,
            key=self._proved_key,
            token=Factor.TOKEN_CERTIFICATE in self._factors,
        )

    @property
    def device(self) -> str | None:
        """The device that the log-in names, if it names one."""
        return self._name.device

    @property
    def account(self) -> str | None:
        """The dedicated account that the log-in names, if it names one."""
        return self._name.account

    @property
    def at(self) -> str | None:
        """The device that whatever she asks beside a channel is about: the one she named, or is on alone."""
        target = self._target
        return target[0] if target is not None else None

    @property
    def _target(self) -> _Target | None:
        if self._name.device is not None:
            return self._name.device, self._name.account
        live = [target for target, task in self._opening.items() if task.done() and not _over(task)]
        return live[0] if len(live) == 1 else None

    async def forward(self, request: PortRequest) -> PortRelay:
        """Open a port of the device that she is on, or names; raises GatewayError."""
        target = self._target
        if target is None:
            raise SessionEnded
        try:
            session = await self._session(target)
            speak_of(session.grant)
            await self._flush_refusals(session)
            return await self._context.opener.open_port(session, request)
        except ChannelRefused:
            self._count_refusal()
            raise
        except DeviceError as error:
            error.device = target[0]
            raise

    async def ports(self, device: str) -> set[int]:
        """Return the SSH port of *device* where it is open to her now; else nothing, whatever the reason."""
        return {opening.port for opening in await self._openings() or () if opening.device_name == device}

    async def _openings(self) -> list[Opening] | None:
        """Return what is open to her now, None where policy cannot be asked.

        Whoever asks meanwhile shares the question under way: a flood of openings, or of keys in many menus, is no
        flood of questions, and policy is asked once more before anything opens.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._looked())
        return await asyncio.shield(self._looking)

    async def _looked(self) -> list[Opening] | None:
        try:
            return await self._context.openings.openings(self._person.hospital_id, self._person.id)
        except PolicyError:  # the supervisor tells it; told at each key, a menu would fill the log
            return None

    def inside(self, device: str, account: str | None, hang_up: HangUp) -> "Selector":
        """Return who serves her on a connection to *device* inside this one, which *hang_up* closes."""
        inside = Selector(
            self._context,
            name=LoginName(self._person.login, device, account),
            person=self._person,
            factors=self._factors,
            proved_key=self._proved_key,
            source=self._source,
            client_version=self._client_version,
            hang_up=hang_up,
            alive=self._alive,
            jumped=True,
        )
        self._within.add(inside)
        return inside

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Those that were opened on this connection, the ended ones included."""
        return tuple(self._sessions)

    @property
    def live(self) -> bool:
        """Whether a session is open or opening."""
        return any(not task.done() for task in self._opening.values()) or any(
            not session.ended.is_set() for session in self._sessions
        )

    @property
    def turned_out(self) -> bool:
        """Whether the hospital ended a session of hers: what she proved before serves no more."""
        return any(
            session.ending in {EndReason.CUT, EndReason.REFUSED, EndReason.FACTOR}
            for session in self._sessions
        )

    async def turn_out(self, text: str) -> None:
        """Close her connection with *text*, once the sessions on it and inside it have said why they end."""
        hers = [session for selector in (self, *self._within) for session in selector.sessions]
        ends = [asyncio.ensure_future(session.ended.wait()) for session in hers]
        if ends:
            _, late = await asyncio.wait(ends, timeout=TELLING_SECONDS)
            for end in late:
                end.cancel()
        self._hang_up(text)

    def leave(self, *, lost: bool = False) -> None:
        """The person's connection is gone: her sessions end, those included that are being opened.

        *lost*: it broke. Some clients leave without a word: what had ended by itself was not lost.
        """
        self._left = True
        for session in self._sessions:
            relays = session.relays.values()
            running = any(isinstance(relay, PortRelay) or relay.exit is None for relay in relays)
            session.end(EndReason.LOST if lost and running else EndReason.LEFT)

    async def serve(self, channel: PersonChannel, request: ChannelRequest) -> None:
        """Serve one channel to the point where its relay runs by itself; never raises."""
        language, wording = self._person.language, self._context.wording
        structlog.contextvars.bind_contextvars(person=self._person.id)
        try:
            await self._serve(channel, request)
        except AccessRefused as refused:
            channel.refuse(wording.denied(refused.denial, language))
        except AccessUnavailable as error:
            channel.refuse(wording.refused(error.key, language))
        except ChannelRefused as refused:
            channel.refuse(wording.channel_refused(Refused(key=refused.key, code=refused.code), language))
        except DeviceRefused as error:
            if channel.server is not None or request.pty is not None:
                channel.refuse(wording.refused(error.key, language, device=error.device))
            else:
                channel.decline()
        except DeviceError as error:
            channel.refuse(wording.refused(error.key, language, device=error.device))
        except SessionEnded:
            channel.refuse(wording.refused("end.refused", language), 255)
        except Exception as error:
            _log.error("channel.failed", error=repr(error))
            channel.refuse(wording.refused("end.failure", language))

    async def _serve(self, channel: PersonChannel, request: ChannelRequest) -> None:
        if self._name.device is not None:
            await self._bridge(channel, request, (self._name.device, self._name.account))
        elif request.kind == "shell" and request.pty is not None:
            lobby = Lobby(self._context, self._person, channel, request, self._openings)
            chosen = await lobby.choose()
            if chosen is None:
                channel.leave(0)
            else:
                await self._bridge(channel, request, chosen)
        elif request.kind == "subsystem":
            login = self._person.login
            channel.refuse(
                self._context.wording.refused("refusal.no-device", self._person.language, login=login)
            )
        else:
            await self._command(channel, request)

    async def _command(self, channel: PersonChannel, request: ChannelRequest) -> None:
        line = "list" if request.kind == "shell" else request.line
        typed = b""
        if request.pty is None and self._context.commands.reads(line):
            channel.server = reading = Reading()
            channel.accept()
            typed = await reading.whole()
            channel.server = None
        caller = Caller(person=self._person, source=self._source, factors=self._factors, typed=typed)
        async with self._commands:
            result = await self._context.commands.run(caller, line)
        channel.accept()
        terminal = request.pty is not None
        channel.write(result.out.replace("\n", "\r\n").encode() if terminal else result.out.encode())
        if result.err:
            channel.tell(result.err.rstrip("\n"))
        channel.leave(result.status)

    async def _bridge(self, channel: PersonChannel, request: ChannelRequest, target: _Target) -> None:
        try:
            await self._bridged(channel, request, target)
        except DeviceError as error:
            error.device = target[0]
            raise

    async def _bridged(self, channel: PersonChannel, request: ChannelRequest, target: _Target) -> None:
        session = await self._session(target)
        speak_of(session.grant)
        await self._flush_refusals(session)

        def serve_from(relay: Relay) -> None:
            channel.server = relay

        relay = await self._context.opener.open_channel(session, channel.channel, request, serve_from)
        channel.accept()
        if request.kind == "shell" and request.pty is not None:
            relay.greet(self._context.wording.welcome(session.grant, session.obligations, session.earlier))
        relay.resume()

    async def _session(self, target: _Target) -> Session:
        """Return the live session with *target*, or open it: one request to policy for all of its channels."""
        task = self._opening.get(target)
        if task is None or (task.done() and _over(task)):
            task = asyncio.ensure_future(self._open(target))
            self._opening[target] = task
        return await asyncio.shield(task)

    async def _open(self, target: _Target) -> Session:
        device, account = target
        request = AccessRequest(
            hospital_id=self._person.hospital_id,
            person_id=self._person.id,
            device_name=device,
            account_name=account,
            source=self._source,
            factors=self._factors,
            proved_key=self._proved_key,
        )

        def register(session: Session) -> None:
            self._sessions.append(session)
            self._context.supervisor.register(session, self._hang_up, self._alive)
            if self._left:
                session.end(EndReason.LEFT)

        await self._context.supervisor.sound_out(self._person.id, self._hang_up)
        opener = self._context.opener
        return await opener.open_session(
            request, client_version=self._client_version, register=register, jumped=self._jumped
        )

    # --- what is refused beside channels ------------------------------------------------------------------

    async def note_refusal(self, facts: Mapping[str, object], refused: Refused) -> None:
        """Record and journal a refused forwarding; a flood of them closes the connection."""
        if self._count_refusal():
            return
        session = next((one for one in self._sessions if one.recorded and one.ending is None), None)
        try:
            if session is not None:
                await self._context.opener.refuse(session, facts, refused)
            else:
                self._refusals.append((facts, refused))
                told = {**facts, "reason": refused.key, "rule": refused.code}
                await self._context.journal.person("channel.refused", self._person.id, self._source, told)
        except (SessionEnded, AccessUnavailable, RecorderError) as error:
            _log.error("refusal.unrecorded", error=repr(error), person=self._person.id)

    def _count_refusal(self) -> bool:
        """Count one more; tell whether it was one too many, and the connection was closed for it."""
        self._refused += 1
        if self._refused == MAX_REFUSALS + 1:  # once: each closing walks over all channels of the flood
            self._hang_up()
        return self._refused > MAX_REFUSALS

    async def _flush_refusals(self, session: Session) -> None:
        """Put into the trace what was refused before there was one."""
        refusals, self._refusals = self._refusals, []
        for facts, refused in refusals:
            await self._context.opener.keep_refused(session, facts, refused)


def _over(task: "asyncio.Task[Session]") -> bool:
    if task.cancelled() or task.exception() is not None:
        return True
    return task.result().ending is not None
