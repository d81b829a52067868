"""Each mended defect of asyncssh's connections, on real sockets: the stock class shows it, ours does not."""

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
import pytest
from asyncssh.constants import MSG_IGNORE
from asyncssh.misc import ProtocolError
from asyncssh.packet import SSHPacket, String, UInt32
from typing_extensions import override

from gateway.errors import UnsupportedLibrary
from gateway.sshfix import FlowControl, Proof, ServerConnection, require_version
from gateway.sshfix.algorithms import SIGNATURE
from tests.support.unconnected import unconnected
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

STOCK = asyncssh.SSHServerConnection
CODE = "123456"


class Owner(asyncssh.SSHServer):
    """Takes one key, then a code; on a stock connection the key alone is a log-in."""

    begun = 0

    def __init__(self, key: asyncssh.SSHKey) -> None:
        self._key = key
        self.proved: list[str] = []

    @override
    def begin_auth(self, username: str) -> bool:
        Owner.begun += 1
        return True

    @override
    def public_key_auth_supported(self) -> bool:
        return "publickey" not in self.proved

    @override
    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == self._key.public_data

    @override
    def kbdint_auth_supported(self) -> bool:
        return True

    @override
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Code: ", True)]

    @override
    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        return list(responses) == [CODE]

    async def factor_proved(self, method: str, key: bytes | None) -> Proof:
        """Want a key and a code."""
        self.proved.append(method)
        return Proof.COMPLETE if {"publickey", "keyboard-interactive"} <= set(self.proved) else Proof.PARTIAL

    @override
    def session_requested(self) -> bool:
        return False


@asynccontextmanager
async def serving(
    kind: type[asyncssh.SSHServerConnection], key: asyncssh.SSHKey, **options: Any
) -> AsyncIterator[int]:
    """Serve connections of *kind* whose owner takes *key*; gives the port."""
    options.setdefault("server_host_keys", [asyncssh.generate_private_key("ssh-ed25519")])
    made = await asyncssh.SSHServerConnectionOptions.construct(
        None, config=None, server_factory=lambda: Owner(key), gss_host=None, **options
    )
    loop = asyncio.get_running_loop()
    connections: list[asyncssh.SSHServerConnection] = []

    def connect() -> asyncssh.SSHServerConnection:
        connections.append(kind(loop, made))
        return connections[-1]

    server = await loop.create_server(connect, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.abort()
        await server.wait_closed()


async def logs_in(port: int, key: asyncssh.SSHKey, **options: Any) -> bool:
    """Tell whether a client with that key alone gets in."""
    try:
        connection = await asyncssh.connect(
            "127.0.0.1",
            port,
            config=None,
            username="alice",
            client_keys=[key],
            known_hosts=None,
            agent_path=None,
            **options,
        )
    except asyncssh.PermissionDenied:
        return False
    connection.abort()
    await connection.wait_closed()
    return True


@pytest.mark.parametrize(("kind", "enters"), [(STOCK, True), (ServerConnection, False)])
async def test_one_factor_of_two_does_not_enter(
    kind: type[asyncssh.SSHServerConnection], enters: bool
) -> None:
    """A key is a partial success where a code is wanted; the stock connection knows no such thing."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with serving(kind, key) as port:
        assert await logs_in(port, key) is enters


@pytest.mark.parametrize(("kind", "proof"), [(STOCK, True), (ServerConnection, False)])
async def test_a_sha1_signature_is_no_proof(
    kind: type[asyncssh.SSHServerConnection], proof: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ssh-rsa signature (SHA-1) is refused though the key is right; the stock connection takes it."""

    async def complete(_self: Owner, _method: str, _key: bytes | None) -> Proof:
        return Proof.COMPLETE

    monkeypatch.setattr(Owner, "factor_proved", complete)
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    async with serving(kind, key, signature_algs=list(SIGNATURE)) as port:
        assert await logs_in(port, key, signature_algs=["rsa-sha2-256"])
        monkeypatch.setattr(asyncssh.SSHClientConnection, "_choose_signature_alg", _sha1)
        assert await logs_in(port, key) is proof


def _sha1(_self: object, keypair: asyncssh.SSHKeyPair) -> bool:
    keypair.set_sig_algorithm(b"ssh-rsa")
    return True


@pytest.mark.parametrize(("kind", "kept"), [(STOCK, False), (ServerConnection, True)])
async def test_one_connection_does_not_change_anothers_host_key(
    kind: type[asyncssh.SSHServerConnection], kept: bool
) -> None:
    """Two clients that want different RSA signatures get their own; stock connections share one pair."""
    host_key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    options = await asyncssh.SSHServerConnectionOptions.construct(
        None,
        config=None,
        server_factory=asyncssh.SSHServer,
        server_host_keys=[host_key],
        gss_host=None,
        login_timeout=None,
    )
    loop = asyncio.get_running_loop()
    first, second = kind(loop, options), kind(loop, options)
    assert first.choose_server_host_key([b"rsa-sha2-256"])
    assert second.choose_server_host_key([b"rsa-sha2-512"])
    chosen = first.get_server_host_key()
    assert chosen is not None
    assert (chosen.sig_algorithm == b"rsa-sha2-256") is kept


@pytest.mark.parametrize(("kind", "enters"), [(STOCK, False), (ServerConnection, True)])
async def test_paramiko_may_try_again(kind: type[asyncssh.SSHServerConnection], enters: bool) -> None:
    """Paramiko asks for the service before each attempt; the stock connection disconnects at the second."""
    right = asyncssh.generate_private_key("ssh-ed25519")
    async with serving(kind, right) as port:
        assert await asyncio.to_thread(_paramiko_enters, port, right) is enters


def _paramiko_enters(port: int, right: asyncssh.SSHKey) -> bool:
    transport = paramiko.Transport(("127.0.0.1", port))
    try:
        transport.start_client(timeout=60)
        wrong = asyncssh.generate_private_key("ssh-ed25519")
        for key in (wrong, right):
            loaded = paramiko.Ed25519Key.from_private_key(io.StringIO(key.export_private_key().decode()))
            try:
                transport.auth_publickey("alice", loaded)
            except paramiko.AuthenticationException:
                continue
        transport.auth_interactive("alice", lambda _title, _text, _fields: [CODE])
        return transport.is_authenticated()
    except (paramiko.SSHException, EOFError):
        return False
    finally:
        transport.close()


@pytest.mark.skipif(
    shutil.which("dbclient") is None, reason="dbclient (package dropbear-bin) is not installed"
)
@pytest.mark.parametrize(("kind", "connects"), [(STOCK, False), (ServerConnection, True)])
async def test_a_wrongly_guessed_key_exchange_is_dropped(
    kind: type[asyncssh.SSHServerConnection], connects: bool, tmp_path: Path
) -> None:
    """Dbclient guesses; where our first algorithm is another, its guess must be dropped (RFC 4253 section 7)."""
    Owner.begun = 0
    key = asyncssh.generate_private_key("ssh-ed25519")
    algorithms = ["ecdh-sha2-nistp256", "curve25519-sha256"]
    async with serving(kind, key, kex_algs=algorithms) as port:
        process = await asyncio.create_subprocess_exec(
            "dbclient",
            *["-y", "-y", "-p", str(port), "alice@127.0.0.1", "true"],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )
        ended = asyncio.ensure_future(process.wait())
        await eventually(lambda: Owner.begun > 0 or ended.done())
        if not ended.done():
            process.kill()
        await process.communicate()
        await ended
    assert bool(Owner.begun) is connects


async def test_a_channel_of_empty_packets_is_refused() -> None:
    """A channel whose packets may hold nothing would turn the loop for ever (CVE-2026-62949)."""
    connection = await unconnected(ServerConnection)
    packet = SSHPacket(String("session") + UInt32(0) + UInt32(1000) + UInt32(0))
    with pytest.raises(ProtocolError):
        connection._process_channel_open(0, 0, packet)


class Tally:
    """A feeder that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hold(self, _connection: FlowControl) -> None:
        """Wait."""
        self.told.append("hold")

    def release(self, _connection: FlowControl) -> None:
        """Go on."""
        self.told.append("release")


async def test_feeders_wait_for_the_transport_and_for_new_keys() -> None:
    """Whoever feeds a connection is held while its transport is full or its keys are renewed, once for both."""
    connection = await unconnected(ServerConnection)
    early, late = Tally(), Tally()
    connection.add_feeder(early)
    connection.pause_writing()
    connection._congest("keys")
    connection.add_feeder(late)
    connection.resume_writing()
    assert (early.told, late.told) == (["hold"], ["hold"])
    connection._relieve("keys")
    assert (early.told, late.told) == (["hold", "release"], ["hold", "release"])


@pytest.mark.parametrize(("kind", "padded"), [(STOCK, True), (ServerConnection, False)])
async def test_no_packet_is_padded_with_another(
    kind: type[asyncssh.SSHServerConnection], padded: bool
) -> None:
    """SSH_MSG_IGNORE before every packet is a cure for CBC alone; without CBC none is sent."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    seen: list[int] = []

    class Counting(asyncssh.SSHClientConnection):
        @override
        def _process_ignore(self, pkttype: int, pktid: int, packet: Any) -> None:
            seen.append(pkttype)

        _packet_handlers = {  # noqa: RUF012 - as asyncssh declares it
            **asyncssh.SSHClientConnection._packet_handlers,
            MSG_IGNORE: _process_ignore,
        }

    async with serving(kind, key) as port:
        options = await asyncssh.SSHClientConnectionOptions.construct(
            None,
            config=None,
            host="127.0.0.1",
            port=port,
            username="alice",
            client_keys=[key],
            known_hosts=None,
            agent_path=None,
        )
        loop = asyncio.get_running_loop()
        options.waiter = loop.create_future()
        _, connection = await loop.create_connection(
            lambda: Counting(loop, options, wait="auth"), "127.0.0.1", port
        )
        try:
            await options.waiter
        except asyncssh.PermissionDenied:
            pass
        connection.abort()
        await connection.wait_closed()
    assert bool(seen) is padded


def test_another_version_of_the_library_does_not_start() -> None:
    """The overrides fit one version; any other is refused at the start, with the way out."""
    require_version()
    with pytest.raises(UnsupportedLibrary, match=r"asyncssh==2\.24\.1"):
        require_version("2.24.2")
