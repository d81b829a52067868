"""The gateway: listens, keeps its own list of connections, holds the caps, drains and stops."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from gateway.context import GatewayContext
from gateway.journal import GatewayJournal, Journal
from gateway.server.banners import Wording
from gateway.server.commands import Voice
from gateway.server.commands.counter import make_commands
from gateway.server.door import Door
from gateway.server.doorkeeper import PLACES, Doorkeeper, Porch
from gateway.server.front import Front
from gateway.server.host_keys import HostKeys
from gateway.server.jump import Jumps
from gateway.server.options import server_options
from gateway.server.standing import KeyWatch
from gateway.server.turnstile import Turnstile
from gateway.session.certificates import CertificateWatch
from gateway.session.keeping import TraceWatch
from gateway.session.lifecycle import Opener
from gateway.session.live import Session
from gateway.session.reasons import EndReason
from gateway.session.supervisor import Supervisor
from gateway.settings import GatewaySettings
from gateway.sshfix import ServerConnection, require_version
from gateway.target.dial import Dialler
from gateway.target.flows import FlowBroker
from policy.clock import Clock
from policy.domain.access import Denial, Grant
from policy.domain.ways import Place
from policy.i18n import Catalog, load
from policy.services import Services
from recorder.capture.spool import Recorder

SWEEP_SECONDS = 1.0
LEAVE_SECONDS = 2.0
"""How long a drain waits for the last words of the menus to be read."""
BACKLOG = 1024
"""How many connections the system keeps for us until we take them."""
FILES = 4
"""Who has not begun to log in may have so little of the files that this process may open: a quarter."""
ACCEPTED_A_TURN = 8
"""How many of them asyncio takes in one turn of the loop: its own default would be all."""

_log = structlog.get_logger()


class Gateway:
    """One gateway process. ``start``, then ``drain`` or ``stop``."""

    def __init__(
        self,
        settings: GatewaySettings,
        services: Services,
        recorder: Recorder,
        journal: Journal,
        clock: Clock,
        *,
        catalog: Catalog | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Clock | None = None,
        dialler: Dialler | None = None,
    ) -> None:
        """Serve SSH by *settings*; *monotonic* gives the seconds that idle limits are measured in.

        *dialler* is the way to devices, unset: one by the settings. *wall* dates host certificates, which clients judge by their own clocks: *clock* unless one is given.
        """
        self.settings = settings
        self._services = services
        self._recorder = recorder
        self._journal = GatewayJournal(journal, settings.hospital_id, clock)
        self._clock = clock
        self._wall = wall or clock
        self._dialler = dialler or Dialler(
            services.vault, settings.connect_timeout_seconds, FlowBroker.at(settings.flow_broker)
        )
        self.on_decision: Callable[[Grant | Denial, float], None] | None = None
        """Hears of each answer to who asked for a device, and how many seconds it took; set it before the start."""
        self._catalog = catalog or load("gateway")
        self._monotonic = monotonic
        self._door = Door(settings, monotonic)
        self._porch: Porch | None = None
        self._servers: list[asyncio.Server] = []
        self._port: int | None = None
        self._supervisor: Supervisor | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._watches: list[tuple[KeyWatch | CertificateWatch, asyncio.Task[None]]] = []
        self._authority: str | None = None

    @property
    def port(self) -> int:
        """The port that was listened on from the start; raises RuntimeError before it."""
        if self._port is None:
            raise RuntimeError("the gateway does not listen")
        return self._port

    @property
    def descriptors(self) -> list[int]:
        """Those of the sockets that are listened on, for a successor."""
        return [each.fileno() for server in self._servers for each in server.sockets]

    @property
    def connections(self) -> int:
        """How many client connections there are."""
        return len(self._door.fronts)

    @property
    def sessions(self) -> int:
        """How many sessions are open, opening or ending."""
        return len(self.live_sessions)

    @property
    def live_sessions(self) -> list[Session]:
        """The sessions that are open, opening or ending."""
        return self._supervisor.sessions if self._supervisor is not None else []

    @property
    def draining(self) -> bool:
        """Whether nobody is taken in any more."""
        return self._door.draining

    @property
    def policy_readable(self) -> bool:
        """Whether policy answers, as the supervisor of sessions knows it; False before the start."""
        return self._supervisor is not None and self._supervisor.policy_readable

    @property
    def supervised(self) -> bool:
        """Whether what holds sessions to their ends still works; where it does not, none opens, and a start mends it."""
        return self._supervisor is not None and not self._supervisor.failed

    async def start(self, listening: Sequence[socket.socket] = ()) -> None:
        """Check the library, read the host keys, begin to supervise, then listen.

        Where *listening* sockets are given, which somebody else holds too, those are listened on and no other.

        Raises UnsupportedLibrary, PolicyError, OSError, asyncssh.KeyImportError.
        """
        require_version()
        context = await self._context()
        self._supervisor = context.supervisor
        settings = self.settings
        host_keys = HostKeys(settings.host_keys, settings.host_authority, settings.names, self._wall)
        self._authority = host_keys.authority_line
        options = await server_options(settings, host_keys, lambda: Front(context, self._door))
        self._door.jumps = Jumps(context, options, host_keys)
        loop = asyncio.get_running_loop()

        def connection() -> ServerConnection:
            made = ServerConnection(loop, options)
            made.show_host_keys(host_keys.own())
            made.follow(turnstile.go_on)
            return made

        turnstile = Turnstile(loop)
        self._porch = porch = Porch(
            self._door.has_room,
            connection,
            turnstile,
            balancers=settings.proxy_sources,
            places=_places(),
            places_a_source=settings.max_unauthenticated_per_source,
            grace_seconds=settings.login_grace_seconds,
            monotonic=loop.time,
        )
        self._services.login.journal_to(self._journal.login)
        await context.supervisor.start()
        await self._listen(lambda: Doorkeeper(porch), listening)
        self._sweeper = asyncio.create_task(self._sweep())
        self._watch(context.supervisor)

    async def _listen(
        self, keeper: Callable[[], asyncio.Protocol], listening: Sequence[socket.socket]
    ) -> None:
        loop, settings = asyncio.get_running_loop(), self.settings
        for one in listening:
            self._servers.append(await loop.create_server(keeper, sock=one, backlog=ACCEPTED_A_TURN))
        if not listening:
            own = await loop.create_server(
                keeper,
                settings.host,
                settings.port,
                reuse_port=settings.reuse_port or None,
                backlog=ACCEPTED_A_TURN,
                family=socket.AF_UNSPEC,
            )
            self._servers.append(own)
        for each in [each for server in self._servers for each in server.sockets]:
            # asyncio has one number for both; the system takes another one for the same socket
            with socket.socket(fileno=os.dup(each.fileno())) as same:
                same.listen(BACKLOG)
                self._port = self._port or int(same.getsockname()[1])

    def _watch(self, supervisor: Supervisor) -> None:
        """Look after the keys that log-ins here were proved with."""
        services = self._services
        keys = self._door.keys = KeyWatch(self._door.logged_in_fronts, services.access)
        tokens = CertificateWatch(
            services.token_watch,
            lambda: [session.grant for session in supervisor.sessions],
            self.settings.responder_seconds,
        )
        self._watches = [(each, asyncio.create_task(each.run())) for each in (keys, tokens)]

    async def retire(self) -> None:
        """Listen no more, for another process does; serve who is here until the last has left, or the time is over.

        They notice nothing: whoever logs in or stands in a menu still opens a session. ``drain`` ends what is left.
        """
        for server in self._servers:
            server.close()
        end = asyncio.get_running_loop().time() + self.settings.handover_seconds
        while self._door.fronts or (self._porch is not None and self._porch.crowded):
            if asyncio.get_running_loop().time() >= end:
                _log.warning("gateway.handed_over_with_sessions_left", sessions=self.sessions)
                return
            await asyncio.sleep(SWEEP_SECONDS / 4)

    async def drain(self) -> None:
        """Take nobody in any more, tell those inside, and end what is left after ``drain_seconds``."""
        self._close_door()
        supervisor = self._supervisor
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await asyncio.gather(*(front.dismiss() for front in self._door.fronts))
        except TimeoutError:
            _log.warning("gateway.drained_over_a_menu")
        if supervisor is not None and supervisor.sessions:
            remaining = timedelta(seconds=self.settings.drain_seconds)
            for session in supervisor.sessions:
                text = self._catalog.translate("warning.drain", session.grant.language, remaining=remaining)
                supervisor.warn(session, text)
            try:
                async with asyncio.timeout(self.settings.drain_seconds):
                    await asyncio.gather(*(session.ended.wait() for session in supervisor.sessions))
            except TimeoutError:
                pass
        await self.stop()

    async def stop(self) -> None:
        """End every session now, close every connection, stop listening."""
        self._close_door()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._supervisor is not None:
            await self._supervisor.end_all(EndReason.DRAIN)
            await self._supervisor.stop()
        for watch, _ in self._watches:
            watch.stop()
        await asyncio.gather(*(task for _, task in self._watches))
        fronts = list(self._door.fronts)
        for front in fronts:
            front.hang_up()
        try:
            async with asyncio.timeout(self.settings.connect_timeout_seconds):
                await asyncio.gather(*(front.settled() for front in fronts))
        except TimeoutError:
            _log.warning("gateway.stopped_with_work_left")
        await self._journal.close()

    def _close_door(self) -> None:
        self._door.draining = True
        for server in self._servers:
            server.close()
        if self._porch is not None:
            self._porch.close()

    def sweep(self) -> None:
        """Close connections that are logged in and have opened nothing for as long as the settings allow.

        Sends away who has not greeted in time; logs how many were turned away at the door since the last sweep.
        """
        if self._porch is not None:
            self._porch.sweep()
        self._door.tell()
        now = self._monotonic()
        for front in list(self._door.fronts):
            if front.idle and now - front.quiet_since > self.settings.idle_connection_seconds:
                front.hang_up()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    def _place(self) -> Place:
        return Place(names=self.settings.names, port=self.port, authority=self._authority)

    async def _context(self) -> GatewayContext:
        settings, services, clock = self.settings, self._services, self._clock
        hospital = await services.hospitals.get(settings.hospital_id)
        wording = Wording(hospital, self._catalog)
        keeping = TraceWatch(self._recorder, wording)
        opener = Opener(
            access=services.access,
            recorder=self._recorder,
            dialler=self._dialler,
            notes=self._journal,
            clock=clock,
            node=settings.node,
            monotonic=self._monotonic,
            keeping=keeping,
            on_decision=self.on_decision,
        )
        supervisor = Supervisor(
            access=services.access,
            journal=self._journal,
            wording=wording,
            clock=clock,
            monotonic=self._monotonic,
            hospital_id=settings.hospital_id,
            node=settings.node,
            poll_seconds=settings.poll_seconds,
            policy_grace_seconds=settings.policy_grace_seconds,
            on_change=self._door.changed,
            keeping=keeping,
        )
        return GatewayContext(
            settings=settings,
            logins=services.login,
            openings=services.access,
            commands=make_commands(
                services, self._journal, Voice(hospital, self._catalog), clock, self._place
            ),
            catalog=self._catalog,
            wording=wording,
            journal=self._journal,
            opener=opener,
            supervisor=supervisor,
            clock=clock,
            monotonic=self._monotonic,
        )


def _places() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return PLACES if files == resource.RLIM_INFINITY else min(PLACES, files // FILES)
