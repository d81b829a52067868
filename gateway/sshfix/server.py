"""A person's connection: verified factors one by one, honest key exchange, no shared host key state."""

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Protocol, cast

from asyncssh import SSHKeyPair, SSHServerConnection
from asyncssh.auth import ServerAuth
from asyncssh.constants import MSG_KEXINIT, MSG_SERVICE_REQUEST
from asyncssh.packet import PacketDecodeError, SSHPacket, String
from asyncssh.public_key import KeyImportError, decode_ssh_certificate
from typing_extensions import override

from gateway.sshfix.algorithms import PERSON_CERTIFICATES, PERSON_KEYS
from gateway.sshfix.channels import ClientChannel, TunnelChannel
from gateway.sshfix.flow import FlowControl
from gateway.sshfix.signatures import SignedKey, signed_key

_USERAUTH = b"ssh-userauth"
TUNNEL_WINDOW = 2 * 1024 * 1024
TUNNEL_PACKET = 32768


class Proof(Enum):
    """What a verified factor leads to."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    REFUSED = "refused"


class LoginOwner(Protocol):
    """What the owner of a server connection decides on factors."""

    async def offers_certificate(self, blob: bytes) -> bool:
        """Tell whether a signature by the certificate *blob* would do; a query proves nothing."""

    async def factor_proved(self, method: str, key: SignedKey | None) -> Proof:
        """Take note that *method* was proved; *key* is the one whose signature was verified.

        PARTIAL asks for another factor (RFC 4252 section 5.1).
        """


class ServerConnection(FlowControl, SSHServerConnection):
    """asyncssh's server connection with the overrides a bastion needs."""

    _proved_key: SignedKey | None = None
    _pace: Callable[[Callable[[], None]], bool] | None = None
    _brought_from: tuple[str, int] | None = None

    def comes_from(self, address: str, port: int) -> None:
        """Take *address* and *port* as the client's, whom a balancer brings; to be called before it is connected."""
        self._brought_from = address, port
        self.set_extra_info(peername=self._brought_from)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._brought_from is not None:
            self._peer_addr, self._peer_port = self._brought_from

    def follow(self, pace: Callable[[Callable[[], None]], bool]) -> None:
        """Before log-in, do every step by *pace*; to be called before it is connected.

        It does the step at once and returns True, or does it later. Our version line has been sent already.
        """
        self._pace = pace

    @override
    def _send_version(self) -> None:
        if self._pace is None:
            super()._send_version()
            return
        self._server_version = b"SSH-2.0-" + self._version
        self.set_extra_info(server_version=self._server_version.decode("ascii"))

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Take bytes from the transport: before log-in in turn with everybody else who has not logged in."""
        if self._pace is None or self._auth_complete:
            super().data_received(data, datatype)
        elif not self._pace(partial(self._take, data)) and self._transport is not None:
            self._transport.pause_reading()

    def _take(self, data: bytes) -> None:
        if self._transport is None:
            return  # closed while it waited
        super().data_received(data)
        if self._transport is not None:
            self._transport.resume_reading()

    @override
    async def reload_config(self) -> None:
        """Reload nothing: there is no configuration file, and each reload costs a thread job a log-in."""

    def show_host_keys(self, keys: Sequence[SSHKeyPair]) -> None:
        """Show *keys* instead of those of the options, the preferred first; to be called before it is connected."""
        shown: OrderedDict[bytes, SSHKeyPair] = OrderedDict()
        for key in keys:
            for algorithm in key.host_key_algorithms:
                shown.setdefault(algorithm, key)
        self._server_host_keys = shown
        self._server_host_key_algs = list(shown)

    async def answers(self, seconds: float) -> bool:
        """Ask the client for a sign of life, and tell whether it sends anything at all within *seconds*.

        What it sends may be an upload that its answer waits behind; any request is answered, known or not
        (RFC 4254 section 4).
        """
        before = self._recv_seq
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._make_global_request(b"keepalive@openssh.com")
        return self._recv_seq != before

    @override
    def choose_server_host_key(self, peer_host_key_algs: Sequence[bytes]) -> bool:
        """Choose the host key on a copy: asyncssh sets the signature algorithm on the pair all share."""
        for algorithm in peer_host_key_algs:
            keypair = self._server_host_keys.get(algorithm)
            if keypair is not None:
                if algorithm != keypair.algorithm:
                    keypair = copy.copy(keypair)
                    keypair.set_sig_algorithm(algorithm)
                self._server_host_key = keypair
                return True
        return False

    async def _process_kexinit_fully(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        # RFC 4253 section 7: a guess is right only if both sides' *first* key exchange and host key
        # algorithms agree; asyncssh compares only the key exchange, and with the one chosen.
        await self._process_kexinit(pkttype, pktid, packet)
        offer = SSHPacket(self._client_kexinit)
        offer.get_byte()
        offer.get_bytes(16)
        kex, host_keys = offer.get_namelist(), offer.get_namelist()
        for _ in range(8):
            offer.get_namelist()
        guessed = offer.get_boolean()
        own_host_keys = list(self._server_host_key_algs or ())
        right = kex[:1] == list(self._kex_algs[:1]) and host_keys[:1] == own_host_keys[:1]
        self._ignore_first_kex = guessed and not right

    def _process_repeated_service_request(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        # paramiko asks for the service before each attempt. The guard of GHSA-c35q-ffpf-5qpm stays: only
        # under encryption (checked by asyncssh) and only before log-in.
        self._process_service_request(pkttype, pktid, packet)
        if not self._auth_complete:
            self._next_service = _USERAUTH

    _packet_handlers = {  # noqa: RUF012 - asyncssh looks its handlers up in a plain class attribute
        **SSHServerConnection._packet_handlers,  # noqa: SLF001 - overriding the methods is not enough
        MSG_KEXINIT: _process_kexinit_fully,
        MSG_SERVICE_REQUEST: _process_repeated_service_request,
    }

    @override
    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """Refuse unknown formats and signatures that were not announced, then verify.

        Remembers the key only when *msg* is there and its signature holds: a query proves nothing. Of a
        certificate asyncssh verifies the signature alone; whether it is believed is the owner's to say.
        """
        self._proved_key = None
        try:
            kind = SSHPacket(key_data).get_string()
            if kind not in PERSON_KEYS | PERSON_CERTIFICATES:
                return False
            if msg and SSHPacket(signature).get_string() not in self._sig_algs:
                return False
        except PacketDecodeError:
            return False
        if kind in PERSON_CERTIFICATES:
            allowed = await self._validate_certificate(key_data, msg, signature)
        else:
            allowed = await super().validate_public_key(username, key_data, msg, signature)
        if allowed and msg:
            self._proved_key = signed_key(key_data, signature)
        return allowed

    async def _validate_certificate(self, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        if not await cast(LoginOwner, self._owner).offers_certificate(key_data):
            return False
        try:
            key = decode_ssh_certificate(key_data).key
        except KeyImportError:
            return False
        return not msg or key.verify(String(self._session_id) + msg, signature)

    @override
    async def send_userauth_success(self) -> None:
        """Answer a verified factor: success, or partial success while another one is missing."""
        auth = self._auth
        if auth is None:
            return
        method = cast(ServerAuth, auth)._method.decode("ascii", "replace")  # noqa: SLF001 - no accessor
        proof = await cast(LoginOwner, self._owner).factor_proved(method, self._proved_key)
        if self._auth is not auth:
            return  # another request came meanwhile and cancelled this one
        if proof is Proof.COMPLETE:
            await super().send_userauth_success()
        else:
            self.send_userauth_failure(partial_success=proof is Proof.PARTIAL)

    @override
    def create_server_channel(
        self,
        encoding: str | None = "",
        errors: str = "",
        window: int = 0,
        max_pktsize: int = 0,
    ) -> ClientChannel:
        """Create a channel of bytes, without line editor."""
        size = max_pktsize or self._max_pktsize
        self._update_recv_pktlen(size)
        return ClientChannel(
            self,
            self._loop,
            self._allow_pty,
            line_editor=False,
            line_echo=False,
            line_history=0,
            max_line_length=0,
            encoding=None,
            errors="strict",
            window=window or self._window,
            max_pktsize=size,
        )

    @override
    def create_tcp_channel(
        self,
        encoding: str | None = None,
        errors: str = "strict",
        window: int = TUNNEL_WINDOW,
        max_pktsize: int = TUNNEL_PACKET,
    ) -> TunnelChannel:
        """Create the channel of a tunnel: of bytes, whose window counts what still waits."""
        del encoding
        self._update_recv_pktlen(max_pktsize)
        return TunnelChannel(self, self._loop, None, errors, window, max_pktsize)


class InnerConnection(ServerConnection):
    """A connection inside another one, whose owner may take a user name on the word of the outer log-in.

    It ends with the channel that carries it. What congests the outer connection congests this one, so that a
    slow reader of the outer one does not make it buffer.
    """

    @override
    async def send_userauth_success(self) -> None:
        """Answer success where the owner's ``begin_auth`` asked for no factor; nothing else leads here to one."""
        if self._auth is None:
            await super(ServerConnection, self).send_userauth_success()
        else:
            self.send_userauth_failure(partial_success=False)

    def hold(self, connection: FlowControl) -> None:
        """Write no more: the outer *connection* is congested."""
        del connection
        self._congest("outer")

    def release(self, connection: FlowControl) -> None:
        """Write again."""
        del connection
        self._relieve("outer")
