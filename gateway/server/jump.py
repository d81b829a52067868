"""A connection to a device inside a person's connection (ssh -J, ssh -W): she typed her code once, outside.

The inner connection ends here: it is decided, recorded and relayed like any other, and only its log-in is spared,
for the channel that carries it exists in nobody's connection but hers. Its user name is the dedicated account.
"""

import asyncio
import copy
from collections.abc import Sequence
from typing import NoReturn, cast

import asyncssh
from asyncssh import OPEN_ADMINISTRATIVELY_PROHIBITED, ChannelOpenError
from typing_extensions import override

from gateway.context import GatewayContext
from gateway.server.banners import plain
from gateway.server.destination import NESTED
from gateway.server.front import Door, Front
from gateway.server.host_keys import HostKeys
from gateway.server.login import MAX_NAMES
from gateway.session.transfer.command import Refused
from gateway.sshfix import InnerConnection
from policy.domain.ids import is_name
from policy.domain.people import Language

LONGEST_ACCOUNT = 64
"""How much of a user name that is no account goes into the journal."""


class InnerFront(Front):
    """asyncssh's owner of an inner connection. No factor is asked for, and none would be taken."""

    def __init__(self, context: GatewayContext, door: Door, outer: Front, device: str) -> None:
        """Serve a connection to *device* inside that of *outer*."""
        super().__init__(context, door)
        self._outer = outer
        self._device = device
        self._names = 0

    @property
    def _carried(self) -> InnerConnection:
        return cast(InnerConnection, self.connection)

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = cast(InnerConnection, conn)
        self.source = self._outer.source
        self._door.entered(self)
        self._outer.connection.add_feeder(self._carried)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._outer.connection.remove_feeder(self._carried)
        self._outer.inner_left(self._carried)
        super().connection_lost(exc)

    @override
    def hang_up(self, text: str = "") -> None:
        """Close the connection; after a cut the outer one too, so that nobody jumps back on the same log-in."""
        super().hang_up(text)
        if self._selector is not None and self._selector.turned_out:
            self._outer.hang_up(text)

    @property
    @override
    def forwards(self) -> bool:
        """What the outer log-in lets pass."""
        return self._outer.forwards

    # --- the user name ------------------------------------------------------------------------------------

    @override
    async def begin_auth(self, username: str) -> bool:
        """Take the dedicated account's name; without one, the device's only account serves.

        Nothing is awaited: a client that tries several names cannot have one checked and another let in.
        """
        self._names += 1
        if self._names > MAX_NAMES:
            text = self._context.wording.both("login.too-many", " / ")
            raise asyncssh.PermissionDenied(plain(text))
        outer = self._outer.selector
        named = None if username == outer.person.login else username
        chosen = outer.account or named
        if named not in {None, chosen} or not (chosen is None or is_name(chosen)):
            other = named is not None and is_name(named)
            self._refuse_name(username, "refusal.jump-other-account" if other else "refusal.jump-account")
            return True
        self._selector = outer.inside(self._device, chosen, self.hang_up)
        self.quiet_since = self._context.monotonic()
        return False

    def _refuse_name(self, username: str, key: str) -> None:
        outer, wording = self._outer.selector, self._context.wording
        facts = {"request": "direct-tcpip", "host": self._device, "account": username[:LONGEST_ACCOUNT]}
        self._spawn(outer.note_refusal(facts, Refused(key=key, code="T9")))
        account = outer.account or ""
        told = [
            wording.refused(key, language, device=self._device, account=account)
            for language in (Language.FRENCH, Language.ENGLISH)
        ]
        self.connection.send_auth_banner("\n\n".join([*told, ""]).replace("\n", "\r\n"))

    @override
    def public_key_auth_supported(self) -> bool:
        return False

    @override
    def kbdint_auth_supported(self) -> bool:
        return False

    # --- channels -----------------------------------------------------------------------------------------

    @override
    async def _jump(self, host: str, port: int) -> NoReturn:
        """Refuse: a device is reached from the gateway, never through another device's connection."""
        if self._selector is None:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not logged in")
        self._refuse_open("direct-tcpip", {"host": host, "port": port}, NESTED)


class Jumps:
    """Makes inner connections: their host key bears the name that the client typed."""

    def __init__(
        self, context: GatewayContext, options: asyncssh.SSHServerConnectionOptions, host_keys: HostKeys
    ) -> None:
        """Make them by *options*, those of outer connections, with certificates of *host_keys*."""
        self._context = context
        self._options = options
        self._host_keys = host_keys

    @property
    def names(self) -> Sequence[str]:
        """The gateway's own names."""
        return self._host_keys.names

    def connection(self, door: Door, outer: Front, device: str) -> InnerConnection:
        """Make the connection to *device* inside that of *outer*."""
        options = copy.copy(self._options)
        options.keepalive_interval = 0  # the connection that carries it is asked, and ends with its client
        options.protocol_factory = lambda: InnerFront(self._context, door, outer, device)
        made = InnerConnection(asyncio.get_running_loop(), options)
        # under the gateway's name it stands in the configuration that she fetches
        names = [device, *(f"{device}.{name}" for name in self.names)]
        made.show_host_keys(self._host_keys.shown_as(names))
        return made
