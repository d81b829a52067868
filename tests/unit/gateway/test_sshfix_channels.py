"""Each mended defect of asyncssh's channels: the stock class shows it, ours does not."""

import asyncio
from typing import Any, cast

import asyncssh
import pytest
from asyncssh.channel import SSHServerChannel
from asyncssh.constants import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.logging import logger
from asyncssh.misc import ProtocolError
from asyncssh.packet import Boolean, SSHPacket, String, UInt32
from typing_extensions import override

from gateway.sshfix import ClientChannel
from gateway.sshfix.channels import MAX_ENVIRONMENT, MAX_QUEUED_REQUESTS

WINDOW = 64 * 1024
PIECE = 8 * 1024


class Wire:
    """As much of a connection as a channel asks for; keeps the packets sent."""

    def __init__(self) -> None:
        self.logger = logger
        self.sent: list[tuple[int, bytes]] = []

    def add_channel(self, _channel: object) -> int:
        """Number it."""
        return 0

    def remove_channel(self, _number: int) -> None:
        """Forget it."""

    def detach_x11_listener(self, _channel: object) -> None:
        """There is none."""

    def get_key_option(self, _name: str, default: object = None) -> object:
        """There is none."""
        return default

    def get_certificate_option(self, _name: str, default: object = None) -> object:
        """There is none."""
        return default

    def send_packet(self, kind: int, *parts: bytes, handler: object = None) -> None:
        """Keep the packet."""
        del handler
        self.sent.append((kind, b"".join(parts)))

    def create_task(self, work: Any, _logger: object = None) -> None:
        """Run nothing."""
        work.close()

    def granted(self) -> int:
        """Bytes of window granted after the opening."""
        return sum(
            int.from_bytes(data[4:8], "big") for kind, data in self.sent if kind == MSG_CHANNEL_WINDOW_ADJUST
        )


class Listener(asyncssh.SSHServerSession[bytes]):
    """Takes one piece at a time, then pauses; keeps what it is asked."""

    def __init__(self) -> None:
        self.channel: SSHServerChannel[bytes] | None = None
        self.commands: list[str] = []
        self.refused: list[str] = []
        self.hung_up = 0
        self.reads_at_once = False
        self.answers_later = False

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        assert self.channel is not None
        if not self.reads_at_once:
            self.channel.pause_reading()

    @override
    def exec_requested(self, command: str) -> bool:
        self.commands.append(command)
        return cast(bool, None) if self.answers_later else True

    def environment_allowed(self, name: bytes) -> bool:
        """Allow language."""
        return name.startswith(b"LC_")

    def forwarding_refused(self, kind: str) -> None:
        """Keep its kind."""
        self.refused.append(kind)

    def peer_closed(self) -> None:
        """Count."""
        self.hung_up += 1


def opened(kind: type[SSHServerChannel[bytes]]) -> tuple[Wire, Listener, Any]:
    """Make an open channel of *kind*, its session and its wire."""
    wire, session = Wire(), Listener()
    channel: Any = kind(
        wire,  # type: ignore[arg-type]  # as much of a connection as a channel asks for
        asyncio.get_running_loop(),
        True,
        False,
        False,
        0,
        0,
        None,
        "strict",
        WINDOW,
        PIECE,
    )
    channel._send_chan, channel._send_window, channel._send_pktsize = 7, 1 << 20, PIECE
    channel._send_state = channel._recv_state = "open"
    channel._recv_paused = False
    channel._session = session
    session.channel = channel
    return wire, session, channel


def ask(channel: Any, name: str, *arguments: bytes, reply: bool = True) -> None:
    """Let a channel request come in."""
    packet = SSHPacket(String(name) + Boolean(reply) + b"".join(arguments))
    channel.process_packet(MSG_CHANNEL_REQUEST, 0, packet)


def held_with_a_slow_reader(kind: type[SSHServerChannel[bytes]]) -> int:
    """Return the most bytes a peer that uses all its window makes the channel hold, over many pauses."""
    _, _, channel = opened(kind)
    most = 0
    for _ in range(200):
        while channel._recv_window >= PIECE:
            channel._accept_data(b"x" * PIECE)
        most = max(most, sum(len(piece) for piece, _ in channel._recv_buf))
        channel.resume_reading()
    return most


async def test_a_slow_reader_holds_no_more_than_its_window() -> None:
    """What waits counts against the window; in the stock channel each pause adds another window."""
    assert held_with_a_slow_reader(SSHServerChannel) > 4 * WINDOW
    assert held_with_a_slow_reader(ClientChannel) <= WINDOW


async def test_a_fast_reader_is_granted_all_it_reads() -> None:
    """A reader that keeps up never stops its peer."""
    wire, session, channel = opened(ClientChannel)
    session.reads_at_once = True
    for _ in range(1000):
        if channel._recv_window < PIECE:
            await asyncio.sleep(0)  # small pieces are gathered for a turn of the loop
        assert channel._recv_window >= PIECE
        channel._accept_data(b"x" * PIECE)
    assert wire.granted() >= 1000 * PIECE - WINDOW


@pytest.mark.parametrize(("kind", "heard"), [(SSHServerChannel, []), (ClientChannel, [b"caf\xe9"])])
async def test_a_command_is_bytes(kind: type[SSHServerChannel[bytes]], heard: list[bytes]) -> None:
    """A command that is no UTF-8 reaches the session; the stock channel refuses it."""
    _, session, channel = opened(kind)
    ask(channel, "exec", String(b"caf\xe9"))
    assert [command.encode("utf-8", "surrogateescape") for command in session.commands] == heard


async def test_agent_and_display_are_refused_at_once_and_told() -> None:
    """Key agent and X11 requests are refused without a socket being made, and the session hears of it."""
    _, session, channel = opened(ClientChannel)
    ask(channel, "auth-agent-req@openssh.com")
    ask(channel, "x11-req", Boolean(False), String("MIT"), String("00"), UInt32(0))
    assert session.refused == ["agent", "x11"]


async def test_the_environment_is_bounded_in_names_number_and_size() -> None:
    """Variables that are not allowed, too many or too long are refused."""
    _, _, channel = opened(ClientChannel)
    ask(channel, "env", String("LD_PRELOAD"), String("/tmp/x.so"))
    ask(channel, "env", String("LC_BIG"), String("x" * 5000))
    assert channel.get_environment_bytes() == {}
    for number in range(MAX_ENVIRONMENT + 10):
        ask(channel, "env", String(f"LC_{number}"), String("x"))
    assert len(channel.get_environment_bytes()) == MAX_ENVIRONMENT


def flood(kind: type[SSHServerChannel[bytes]]) -> None:
    """Ask while an answer is outstanding, more often than anybody has a reason to."""
    _, session, channel = opened(kind)
    session.answers_later = True
    ask(channel, "exec", String("x"))
    for _ in range(MAX_QUEUED_REQUESTS * 3):
        ask(channel, "keepalive@openssh.com")


async def test_requests_that_wait_are_bounded() -> None:
    """A peer that floods requests while one waits is cut; the stock channel keeps them all."""
    flood(SSHServerChannel)
    with pytest.raises(ProtocolError):
        flood(ClientChannel)


@pytest.mark.parametrize(("kind", "told"), [(SSHServerChannel, False), (ClientChannel, True)])
async def test_an_exit_status_follows_the_peers_close(
    kind: type[SSHServerChannel[bytes]], told: bool
) -> None:
    """A client that has closed its side still gets the exit status; the stock channel drops it."""
    wire, _, channel = opened(kind)
    channel.process_packet(MSG_CHANNEL_CLOSE, 0, SSHPacket(b""))
    channel.exit(3)
    assert any(b"exit-status" in data for _, data in wire.sent) is told
    assert MSG_CHANNEL_CLOSE in [sent for sent, _ in wire.sent]
    await asyncio.wait_for(channel.wait_closed(), 10)


async def test_a_channel_closed_twice_is_a_protocol_error() -> None:
    """A second close while the first waits ends the connection."""
    _, session, channel = opened(ClientChannel)
    channel.process_packet(MSG_CHANNEL_CLOSE, 0, SSHPacket(b""))
    with pytest.raises(ProtocolError):
        channel.process_packet(MSG_CHANNEL_CLOSE, 0, SSHPacket(b""))
    assert session.hung_up == 1


async def test_an_answer_can_come_late() -> None:
    """A request whose callback said "not yet" is answered by answer(), once, and not after the end."""
    wire, session, channel = opened(ClientChannel)
    session.answers_later = True
    ask(channel, "exec", String("x"))
    assert wire.sent == []
    channel.answer(accepted=False)
    answers = len(wire.sent)
    channel.answer(accepted=True)
    assert (answers, len(wire.sent)) == (1, 1)
