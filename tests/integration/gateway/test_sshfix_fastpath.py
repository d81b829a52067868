"""Data packets taken and built beside asyncssh: the same bytes, the same refusals, on real sockets."""

import asyncio
import hashlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.packet import String, UInt32
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from gateway.sshfix import DeviceConnection, ServerConnection, connect
from gateway.sshfix.fastpath import FastData
from gateway.sshfix.flow import FlowControl
from tests.support.hostile_device import PASSWORD, Welcoming
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

WINDOW = 256 * 1024
GCM = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
CIPHERS = (*GCM, "aes256-ctr", "chacha20-poly1305@openssh.com", "aes128-cbc")


class Echo(asyncssh.SSHServerSession[bytes]):
    """Gives back what it is sent, stopping while it cannot."""

    def __init__(self) -> None:
        self.channel: Any = None

    @override
    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self.channel = chan

    @override
    def shell_requested(self) -> bool:
        return True

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.channel.write(data)

    @override
    def pause_writing(self) -> None:
        self.channel.pause_reading()

    @override
    def resume_writing(self) -> None:
        self.channel.resume_reading()

    @override
    def eof_received(self) -> bool:
        self.channel.exit(0)
        return False


class Door(Welcoming):
    """Gives back what its sessions are sent."""

    @override
    def session_requested(self) -> Any:
        return Echo()


class Ours(FlowControl, asyncssh.SSHServerConnection):
    """Our packets under asyncssh's own log-in; its channels are ours too."""

    create_server_channel = ServerConnection.create_server_channel


@dataclass
class Line:
    """A server's end and a client's end of one connection."""

    client: Any
    server: Any


@asynccontextmanager
async def line(
    server_kind: type[asyncssh.SSHServerConnection],
    *,
    our_client: bool,
    cipher: str = GCM[0],
    rekey: int = 1 << 30,
) -> AsyncIterator[Line]:
    """Connect a client, ours or the stock one, to a server of *server_kind*."""
    made = await asyncssh.SSHServerConnectionOptions.construct(
        None,
        config=None,
        server_factory=Door,
        gss_host=None,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        encryption_algs=[cipher],
        rekey_bytes=rekey,
        window=WINDOW,
        encoding=None,
        line_editor=False,
        compression_algs=None,
    )
    loop = asyncio.get_running_loop()
    accepted: list[Any] = []

    def accept() -> asyncssh.SSHServerConnection:
        connection = server_kind(loop, made)
        accepted.append(connection)
        return connection

    listening = await loop.create_server(accept, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    wanted = await asyncssh.SSHClientConnectionOptions.construct(
        None,
        config=None,
        host="127.0.0.1",
        port=port,
        username="maint",
        password=PASSWORD,
        known_hosts=None,
        client_keys=None,
        agent_path=None,
        encryption_algs=[cipher],
        rekey_bytes=rekey,
        compression_algs=None,
    )
    if our_client:
        client: Any = await connect(wanted, local_address=None)
    else:
        client = await asyncssh.connect("127.0.0.1", port, options=wanted)
    try:
        yield Line(client, accepted[0])
    finally:
        client.abort()
        accepted[0].abort()
        await client.wait_closed()
        listening.close()
        await listening.wait_closed()


class Heard(asyncssh.SSHClientSession[bytes]):
    """Keeps what comes back, and waits while it may not send."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.heard += data

    @override
    def pause_writing(self) -> None:
        self.may_send.clear()

    @override
    def resume_writing(self) -> None:
        self.may_send.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)


async def opened(client: Any) -> tuple[Any, Heard]:
    """Open a shell by the client's own kind of channel."""
    heard = Heard()
    if isinstance(client, DeviceConnection):
        channel = client.new_channel(WINDOW)
        await channel.start(heard, "shell", b"", environment={}, pty=None)
        channel.resume_reading()
        return channel, heard
    made, _ = await client.create_session(lambda: heard, encoding=None, window=WINDOW)
    return made, heard


async def echoed(client: Any, pieces: list[bytes]) -> bytes:
    """Send *pieces* and return what comes back for them."""
    channel, heard = await opened(client)
    for piece in pieces:
        await asyncio.wait_for(heard.may_send.wait(), 60)
        channel.write(piece)
        await asyncio.sleep(0)
    channel.write_eof()
    assert await asyncio.wait_for(heard.ended, 60) is None
    return bytes(heard.heard)


def cut(data: bytes, rng: random.Random) -> list[bytes]:
    """Cut *data* into pieces of all sizes, those around a packet's too."""
    pieces, at = [], 0
    while at < len(data):
        size = rng.choice((1, 7, 8, 4096, 32767, 32768, 32769, 100_000, rng.randrange(1, 300_000)))
        pieces.append(data[at : at + size])
        at += size
    return pieces


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize(
    ("server", "our_client"), [(Ours, True), (Ours, False), (asyncssh.SSHServerConnection, True)]
)
async def test_bytes_are_exact_under_every_cipher(
    server: type[asyncssh.SSHServerConnection], our_client: bool, cipher: str
) -> None:
    """Pieces of all sizes come back as sent, between us and a stock asyncssh in either role; others fall back."""
    rng = random.Random(f"{cipher}{our_client}")
    pieces = cut(rng.randbytes(1_500_000), rng)
    async with line(server, our_client=our_client, cipher=cipher) as made:
        back = await echoed(made.client, pieces)
        assert hashlib.sha256(back).digest() == hashlib.sha256(b"".join(pieces)).digest()
        ours = made.client if our_client else made.server
        assert (ours._gcm_in.key is not None) is (cipher in GCM)
        assert (ours._gcm_out.key is not None) is (cipher in GCM)


@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_sizes_come_back(sizes: list[int]) -> None:
    """Whatever the sizes of the writes, a stock peer reads the very bytes, and we read its own."""
    pieces = [random.Random(number).randbytes(size) for number, size in enumerate(sizes)]

    async def there_and_back() -> None:
        for server, our_client in ((Ours, False), (asyncssh.SSHServerConnection, True)):
            async with line(server, our_client=our_client) as made:
                assert await echoed(made.client, pieces) == b"".join(pieces)

    asyncio.run(there_and_back())


@pytest.mark.parametrize(
    ("server", "our_client"), [(Ours, True), (Ours, False), (asyncssh.SSHServerConnection, True)]
)
async def test_keys_are_renewed_in_mid_stream(
    server: type[asyncssh.SSHServerConnection], our_client: bool
) -> None:
    """Both sides renew their keys many times within a transfer: at the byte asyncssh would, and nothing is lost."""
    rng = random.Random(3)
    pieces = cut(rng.randbytes(3_000_000), rng)
    async with line(server, our_client=our_client, rekey=200_000) as made:
        first = made.server._send_encryption, made.client._send_encryption
        assert await echoed(made.client, pieces) == b"".join(pieces)
        assert made.server._send_encryption is not first[0]
        assert made.client._send_encryption is not first[1]
        for end in (made.server, made.client):
            assert end._rekey_bytes_sent < 200_000 + 40_000


@pytest.mark.parametrize("our_client", [True, False])
async def test_a_changed_byte_ends_the_connection(our_client: bool) -> None:
    """A packet whose tag is wrong is not delivered, and the connection ends by asyncssh's own refusal."""
    async with line(Ours, our_client=our_client) as made:
        channel, heard = await opened(made.client)
        channel.write(b"before")
        await eventually(lambda: bytes(heard.heard) == b"before")
        taken = made.server.data_received

        def flipped(data: bytes, datatype: int | None = None) -> None:
            taken(data[:20] + bytes([data[20] ^ 1]) + data[21:], datatype)

        made.server.data_received = flipped
        channel.write(b"x" * 1000)
        assert "MAC verification failed" in str(await asyncio.wait_for(heard.ended, 60))
        assert bytes(heard.heard) == b"before"


@pytest.mark.parametrize("size", [1, WINDOW])
async def test_a_window_exceeded_ends_the_connection(size: int) -> None:
    """Who sends more than was granted is refused as asyncssh refuses, even where each packet is well-formed."""
    async with line(Ours, our_client=False) as made:
        channel, heard = await opened(made.client)
        serving = next(iter(made.server._channels.values()))
        serving.pause_reading()
        sent = 0
        while sent <= WINDOW:
            channel.send_packet(MSG_CHANNEL_DATA, String(bytes(min(16384, WINDOW + size - sent))))
            sent += 16384
        lost = await asyncio.wait_for(heard.ended, 60)
        assert isinstance(lost, asyncssh.ProtocolError)
        assert "Window exceeded" in str(lost)


async def test_a_packet_too_large_ends_the_connection() -> None:
    """The length of a packet is bounded before any of it is waited for."""
    async with line(Ours, our_client=False) as made:
        _channel, heard = await opened(made.client)
        made.client._transport.write(UInt32(made.server._max_recv_pktlen + 1) + bytes(64))
        lost = await asyncio.wait_for(heard.ended, 60)
        assert "Max packet size exceeded" in str(lost)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(MSG_CHANNEL_DATA, b"", id="empty"),
        pytest.param(MSG_CHANNEL_DATA, UInt32(7777) + String(b"x"), id="no such channel"),
        pytest.param(MSG_CHANNEL_DATA, UInt32(0) + UInt32(900) + b"x", id="data cut short"),
        pytest.param(MSG_CHANNEL_DATA, UInt32(0) + String(b"x") + b"more", id="bytes after the data"),
        pytest.param(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0), id="grant cut short"),
        pytest.param(MSG_CHANNEL_WINDOW_ADJUST, UInt32(7777) + UInt32(1), id="grant for no channel"),
        pytest.param(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0) + UInt32(1) + b"x", id="bytes after the grant"),
    ],
)
async def test_bad_data_packets_are_left_to_asyncssh(kind: int, payload: bytes) -> None:
    """What is not plainly good data or a good grant is refused as the stock connection refuses it."""
    said: list[str] = []
    for server in (asyncssh.SSHServerConnection, Ours):
        async with line(server, our_client=False) as made:
            _channel, heard = await opened(made.client)
            made.client.send_packet(kind, payload)
            said.append(str(await asyncio.wait_for(heard.ended, 60)))
    assert said[0] == said[1]
    assert said[0] != "None"


@pytest.mark.parametrize("size", [1, 32768, 32769, 200_000])
async def test_a_block_is_one_write(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many packets a block takes, the socket is called once, and a stock peer reads each of them."""
    async with line(asyncssh.SSHServerConnection, our_client=True) as made:
        channel, heard = await opened(made.client)
        writes: list[int] = []
        send = made.client._send

        def counted(data: bytes) -> None:
            writes.append(len(data))
            send(data)

        monkeypatch.setattr(made.client, "_send", counted)
        before = made.client._send_seq
        block = random.Random(size).randbytes(size)
        channel.write(block)
        assert len(writes) == 1
        assert made.client._send_seq - before == -(-size // 32768)
        await eventually(lambda: bytes(heard.heard) == block)


async def test_sequence_numbers_go_on_over_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counters count every packet, ours and asyncssh's, so that both ends agree after a transfer."""
    counted: list[int] = []
    stock = FastData._take_packet

    def counting(self: FastData, plain: bytes, cipher: Any) -> bool:
        good = stock(self, plain, cipher)
        counted.append(good)
        return good

    monkeypatch.setattr(FastData, "_take_packet", counting)
    async with line(Ours, our_client=True) as made:
        channel, heard = await opened(made.client)
        channel.write(bytes(500_000))
        await eventually(lambda: len(heard.heard) == 500_000)
        await eventually(lambda: made.server._recv_seq == made.client._send_seq)
        assert made.client._recv_seq == made.server._send_seq
        assert sum(counted) > 30  # the data and the grants for it


async def test_no_packet_and_no_password_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """At asyncssh's most talkative level our ends log no packet, where the stock ends log the password."""

    def packets() -> list[bytes]:
        return [record.__dict__["packet"] for record in caplog.records if "packet" in record.__dict__]

    asyncssh.set_debug_level(3)
    try:
        with caplog.at_level(logging.DEBUG, "asyncssh"):
            async with line(asyncssh.SSHServerConnection, our_client=False) as made:
                await echoed(made.client, [b"x"])
            assert any(PASSWORD.encode() in packet for packet in packets())
            caplog.clear()
            async with line(Ours, our_client=True) as made:
                await echoed(made.client, [b"x"])
            assert caplog.records
            assert packets() == []
    finally:
        asyncssh.set_debug_level(1)
