"""One client connection: its log-in, then its channels; whatever else SSH can carry is refused here."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NoReturn, Protocol, cast

import asyncssh
import structlog
from asyncssh import (
    DISC_BY_APPLICATION,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    ChannelOpenError,
)
from typing_extensions import override

from gateway.context import GatewayContext
from gateway.server.banners import on_one_line, plain
from gateway.server.channel import PersonChannel
from gateway.server.fate import Fate
from gateway.server.lobby import Lobby
from gateway.server.login import Dialogue
from gateway.server.ports import Ports, leads_to_ssh
from gateway.server.roads import Roads
from gateway.server.selector import Selector
from gateway.session.forwarding import refusal_of
from gateway.session.port_relay import PersonPort
from gateway.session.port_request import PortRequest
from gateway.session.request import ChannelRequest
from gateway.session.transfer.command import Refused
from gateway.sshfix import InnerConnection, Proof, ServerConnection, SignedKey
from policy.domain.addresses import readable
from policy.domain.people import Language, Person
from policy.domain.proofs import ProvedLogin

PROBE_SECONDS = 3.0
"""How long a connection may be silent to a question before it counts as lost."""

_log = structlog.get_logger()


class Door(Protocol):
    """The list of connections, and the bounds on those that have not logged in."""

    draining: bool

    @property
    def names(self) -> Sequence[str]:
        """The gateway's own names."""
        ...

    def inner(self, outer: "Front", device: str) -> InnerConnection:
        """Make the connection to *device* inside that of *outer*, who has logged in."""
        ...

    def arrived(self, front: "Front") -> bool:
        """Count a new connection; False where there are too many."""
        ...

    def logged_in(self, front: "Front") -> None:
        """It has logged in."""
        ...

    def entered(self, front: "Front") -> None:
        """Count a connection that came inside another one, which has logged in."""
        ...

    def left(self, front: "Front") -> None:
        """It is gone."""
        ...


class Front(asyncssh.SSHServer):
    """asyncssh's owner of one connection. ``quiet_since`` is when its last channel closed, in seconds."""

    def __init__(self, context: GatewayContext, door: Door) -> None:
        """Serve a connection that came through *door*."""
        self._context = context
        self._door = door
        self._connection: ServerConnection | None = None
        self._dialogue: Dialogue | None = None
        self._selector: Selector | None = None
        self._banner_sent = False
        self._channels: list[PersonChannel] = []
        self._untold: list[str] = []
        self._roads = Roads(context.settings.max_inner_connections)
        self._ports = Ports(context, self._port_closed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.source = ""
        self.quiet_since = context.monotonic()

    @property
    def connection(self) -> ServerConnection:
        """The connection; raises RuntimeError before it is made."""
        if self._connection is None:
            raise RuntimeError("the connection is not made yet")
        return self._connection

    @property
    def channels(self) -> list[PersonChannel]:
        """The open channels."""
        return self._channels

    @property
    def idle(self) -> bool:
        """Whether it is logged in and has neither a channel nor a session nor a connection inside it."""
        quiet = not self._channels and not self._roads.live
        return self._selector is not None and quiet and not self._selector.live

    @property
    def person(self) -> Person | None:
        """Who has logged in; None before."""
        return self._selector.person if self._selector is not None else None

    @property
    def selector(self) -> Selector:
        """Who serves the channels of whoever has logged in; raises RuntimeError before."""
        if self._selector is None:
            raise RuntimeError("nobody has logged in yet")
        return self._selector

    # --- the connection -----------------------------------------------------------------------------------

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = cast(ServerConnection, conn)
        self.source = readable(str(conn.get_extra_info("peername", ("",))[0]))
        settings = self._context.settings
        # Made here, for asyncssh announces no empty first user name to begin_auth.
        self._dialogue = Dialogue(
            self._context.logins, settings.hospital_id, self.source, settings.max_dialogues
        )
        if not self._door.arrived(self):
            conn.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._door.left(self)
        if self._selector is not None:
            self._selector.leave(lost=exc is not None)

    async def alive(self) -> bool:
        """Tell whether the client still answers: asked when she comes a second time."""
        return await self.connection.answers(PROBE_SECONDS)

    def hang_up(self, text: str = "") -> None:
        """Close the connection, its channels having been closed before; *text* says why where none of them did."""
        if self._connection is not None and not self._connection.is_closed():
            why = plain(text.replace("\n", " ")) or "closed by the gateway"
            self._connection.disconnect(DISC_BY_APPLICATION, why)

    @property
    def begun(self) -> bool:
        """Whether keys were exchanged, and a log-in begun."""
        return self._banner_sent

    @property
    def halfway(self) -> bool:
        """Whether a factor was proved already."""
        return bool(self.dialogue.factors)

    def make_room(self) -> None:
        """Close the connection, which has not logged in, for another one."""
        self.hang_up(self._context.wording.both("login.crowded", " / "))

    async def dismiss(self) -> None:
        """Tell whoever is in the menu that the gateway closes, and wait until she has left it."""
        left = []
        for channel in list(self._channels):
            if isinstance(channel.server, Lobby):
                channel.server.dismiss(self._say("end.drain"))
                left.append(channel.channel.wait_closed())
        await asyncio.gather(*left)

    @property
    def proved(self) -> ProvedLogin | None:
        """The log-in that she came in by, where it began with a key."""
        return self.selector.proved

    def turn_out(self, key: str = "end.refused") -> None:
        """Close the connection of whoever has logged in, for her log-in counts no more; the message *key* says why."""
        self._spawn(self.selector.turn_out(self._context.wording.refused(key, self._language())))

    async def settled(self) -> None:
        """Wait until nothing that was begun for this connection still runs."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- log-in -------------------------------------------------------------------------------------------

    @property
    def dialogue(self) -> Dialogue:
        """The log-in's state."""
        if self._dialogue is None:
            raise RuntimeError("the connection is not made yet")
        return self._dialogue

    @property
    def forwards(self) -> bool:
        """Whether what she logged in with lets a connection carry another one."""
        return self.dialogue.forwards

    @override
    async def begin_auth(self, username: str) -> bool:
        if not self._banner_sent:
            self._banner_sent = True
            self.connection.send_auth_banner(self._context.wording.legal())
        with Fate(self._context):
            await self.dialogue.begin(username)
        return True

    @override
    def public_key_auth_supported(self) -> bool:
        return not self.dialogue.key_proved

    @override
    def kbdint_auth_supported(self) -> bool:
        return self.dialogue.answers_help

    @override
    def password_auth_supported(self) -> bool:
        return False

    @override
    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        with Fate(self._context):
            return await self.dialogue.offers_key(key.public_data)

    async def offers_certificate(self, blob: bytes) -> bool:
        """Tell whether a signature by the certificate *blob* would do; a query proves nothing."""
        with Fate(self._context):
            return await self.dialogue.offers_key(blob)

    @override
    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        say, now = self._context.wording, self.dialogue
        return "", say.instruction(again=now.failures > 0), "", say.prompts(code_only=now.key_proved)

    @override
    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        with Fate(self._context):
            return await self.dialogue.answer(list(responses))

    async def factor_proved(self, method: str, key: SignedKey | None) -> Proof:
        """Take a verified factor; the connection is logged in only when this says COMPLETE."""
        with Fate(self._context):
            proof = await self.dialogue.factor_proved(method, key)
        unfit, self.dialogue.unfit = self.dialogue.unfit, None
        if unfit is not None:
            self.connection.send_auth_banner(self._context.wording.unfit(unfit))
        person = self.dialogue.person
        if proof is Proof.COMPLETE and person is not None:
            self._enter(person)
        return proof

    def _enter(self, person: Person) -> None:
        version = str(self.connection.get_extra_info("client_version", ""))
        self._selector = Selector(
            self._context,
            name=self.dialogue.name,
            person=person,
            factors=self.dialogue.factors,
            proved_key=self.dialogue.proved_key,
            source=self.source,
            client_version=version,
            hang_up=self.hang_up,
            alive=self.alive,
        )
        self.quiet_since = self._context.monotonic()
        self._door.logged_in(self)

    # --- channels -----------------------------------------------------------------------------------------

    @override
    def session_requested(self) -> PersonChannel:
        if self._selector is None:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not logged in")
        if self._door.draining:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, self._turned_away("refusal.drain"))
        if len(self._channels) + self._ports.count >= self._context.settings.max_channels:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, self._turned_away("refusal.channels"))
        channel = PersonChannel(self._requested, self._forwarding_refused, self._closed)
        channel.notices, self._untold = self._untold, []
        self._channels.append(channel)
        return channel

    def _requested(self, channel: PersonChannel, request: ChannelRequest) -> None:
        if self._selector is not None:
            self._spawn(self._selector.serve(channel, request))

    def _closed(self, channel: PersonChannel) -> None:
        if channel in self._channels:
            self._channels.remove(channel)
        self.quiet_since = self._context.monotonic()

    # --- everything else ----------------------------------------------------------------------------------

    def _forwarding_refused(self, channel: PersonChannel, kind: str) -> None:
        wire = {"agent": "auth-agent-req@openssh.com", "x11": "x11-req"}[kind]
        channel.tell(self._refuse(wire, {}))

    def _refuse(self, wire_name: str, facts: Mapping[str, object], refused: Refused | None = None) -> str:
        """Record and journal a refused *wire_name*; return what the person reads."""
        refused = refused or refusal_of(wire_name)
        language = self._language()
        if self._selector is not None:
            self._spawn(self._selector.note_refusal({"request": wire_name, **facts}, refused))
        return self._context.wording.channel_refused(refused, language)

    def _refuse_open(
        self, wire_name: str, facts: Mapping[str, object], refused: Refused | None = None
    ) -> NoReturn:
        text = on_one_line(self._refuse(wire_name, facts, refused))
        raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, text)

    def _refuse_global(self, wire_name: str, facts: Mapping[str, object]) -> bool:
        text = self._refuse(wire_name, facts)
        # the answer has no field for a reason; ssh asks before it opens its first channel
        if self._channels:
            self._channels[-1].tell(text)
        elif text not in self._untold:
            self._untold.append(text)
        return False

    @override
    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        # asyncssh takes a coroutine of any session of bytes, and knows no type for it
        return self._tunnel(PortRequest.cut(dest_host, dest_port, orig_host, orig_port))

    async def _tunnel(self, request: PortRequest) -> InnerConnection | PersonPort:
        """Open a road inside this connection, or refuse it: to a device's SSH, or to a port of the device she is on.

        Nothing is ever dialled here.
        """
        if not self.forwards:
            self._refuse_open("direct-tcpip", {**request.facts(), "by": "certificate"})
        selector = self._selector
        if selector is not None and selector.at is not None and not await leads_to_ssh(selector, request):
            if self._door.draining:
                raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, self._turned_away("refusal.drain"))
            return await self._ports.open(selector, request, len(self._channels))
        return await self._jump(request.host, request.port)

    async def _jump(self, host: str, port: int) -> InnerConnection:
        """Open the SSH connection to the device *host* inside this one (ssh -J, ssh -W)."""
        selector = self._selector
        if selector is None:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not logged in")
        if self._door.draining:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, self._turned_away("refusal.drain"))
        refused = await self._roads.refusal(selector, host, port, self._door.names)
        if refused is not None:
            self._refuse_open("direct-tcpip", {"host": host, "port": port}, refused)
        inner = self._door.inner(self, host)
        self._roads.begun(inner)
        return inner

    def _port_closed(self) -> None:
        self.quiet_since = self._context.monotonic()

    def inner_left(self, inner: InnerConnection) -> None:
        """The connection *inner* inside this one is over."""
        self._roads.over(inner)
        self.quiet_since = self._context.monotonic()

    @override
    def unix_connection_requested(self, dest_path: str) -> NoReturn:
        self._refuse_open("direct-streamlocal@openssh.com", {"path": dest_path[:255]})

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return self._refuse_global("tcpip-forward", {"host": listen_host[:255], "port": listen_port})

    @override
    def unix_server_requested(self, listen_path: str) -> bool:
        return self._refuse_global("streamlocal-forward@openssh.com", {"path": listen_path[:255]})

    @override
    def tun_requested(self, unit: int | None) -> NoReturn:
        self._refuse_open("tun@openssh.com", {"unit": unit})

    @override
    def tap_requested(self, unit: int | None) -> NoReturn:
        self._refuse_open("tun@openssh.com", {"unit": unit})

    def _turned_away(self, key: str) -> str:
        return on_one_line(self._context.wording.refused(key, self._language()))

    def _language(self) -> Language:
        return self._selector.person.language if self._selector is not None else Language.FRENCH

    def _say(self, key: str) -> str:
        return self._context.wording.say(key, self._language())
