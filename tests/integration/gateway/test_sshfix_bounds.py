"""What one connection keeps in memory for a peer that reads nothing, ends nothing or floods: so much, and it is cut."""

import asyncio

import pytest
from asyncssh.constants import MSG_CHANNEL_REQUEST
from typing_extensions import override

from gateway.sshfix import ServerConnection
from gateway.sshfix.flow import INPUT_LIMIT, OUTPUT_LIMIT
from tests.support.unconnected import unconnected

pytestmark = pytest.mark.integration


class Transport(asyncio.Transport):
    """One that nobody reads from, as far as ``unread`` says, and that notes its end."""

    aborted = False
    unread = 0

    @override
    def abort(self) -> None:
        self.aborted = True

    @override
    def get_write_buffer_size(self) -> int:
        return self.unread

    @override
    def write(self, data: "bytes | bytearray | memoryview") -> None:
        """Take it, as a buffer does."""


async def test_answers_left_unread_are_bounded() -> None:
    """A peer that goes on asking, keep-alives say, and never reads the answers is cut before memory is full."""
    connection = await unconnected(ServerConnection)
    transport = Transport()
    connection._transport = transport
    connection._recv_handler = lambda: False
    transport.unread = OUTPUT_LIMIT
    connection.data_received(b"x")
    await asyncio.sleep(0)
    assert not transport.aborted
    transport.unread = OUTPUT_LIMIT + 1
    connection.data_received(b"x")
    await asyncio.sleep(0)
    assert transport.aborted


async def test_what_is_asked_of_a_silent_peer_is_bounded() -> None:
    """A device that says nothing and reads nothing is cut: sizes and signals of a terminal are held by no window."""
    connection = await unconnected(ServerConnection)
    transport = Transport()
    connection._transport = transport
    connection._kex_complete = connection._auth_complete = True
    connection._rekey_seconds = None
    for transport.unread in (OUTPUT_LIMIT, OUTPUT_LIMIT + 1):
        assert not transport.aborted
        connection.send_packet(MSG_CHANNEL_REQUEST, b"")
        await asyncio.sleep(0)
    assert transport.aborted


async def test_what_waits_for_a_peers_new_keys_is_bounded() -> None:
    """A device that ends no key exchange is cut: what asyncssh keeps for after it counts, until it is sent."""
    connection = await unconnected(ServerConnection)
    transport = Transport()
    connection._transport = transport
    connection._auth_complete, connection._rekey_seconds = True, None
    asked = bytes(OUTPUT_LIMIT // 4)
    for _ in range(2):
        connection._kex_complete = False
        for _ in range(3):
            connection.send_packet(MSG_CHANNEL_REQUEST, asked)
        connection._kex_complete = True
        connection._send_deferred_packets()
    await asyncio.sleep(0)
    assert not transport.aborted
    connection._kex_complete = False
    for _ in range(4):
        connection.send_packet(MSG_CHANNEL_REQUEST, asked)
    await asyncio.sleep(0)
    assert transport.aborted


async def test_unread_input_is_bounded() -> None:
    """A peer that floods while its last packet is being answered is cut, before log-in or after."""
    connection = await unconnected(ServerConnection)

    transport = Transport()
    connection._transport = transport
    connection._recv_handler = lambda: False
    for _ in range(INPUT_LIMIT // 65536):
        connection.data_received(b"x" * 65536)
        await asyncio.sleep(0)
        assert not transport.aborted
    connection.data_received(b"x")
    await asyncio.sleep(0)
    assert transport.aborted
