"""A channel as the trace tells it: its opening first, and what is not stored said to be missing; and who may open one."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.session.reasons import EndReason
from policy.domain.access import Denial, Grant, Held
from policy.domain.ids import SessionId
from policy.errors import PolicyUnavailable
from recorder.trace.frames import Frame, FrameType, facts
from tests.support.bastion import Bastion, running_bastion
from tests.support.raw_client import channel, logged_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
NEVER = 3600.0


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion that never polls for changes by itself."""
    async with running_bastion(tmp_path, poll_seconds=NEVER) as running:
        yield running


async def suspend(bastion: Bastion) -> None:
    """Suspend alice."""
    world = bastion.world
    await world.services.people.suspend(world.who("dsi"), world.id, world.who("alice"), reason="Départ")


def told(frames: list[Frame], kind: FrameType) -> list[tuple[int, dict[str, object]]]:
    """Return channel and facts of the frames of one kind."""
    return [(frame.channel, facts(frame)) for frame in frames if frame.type is kind]


async def test_each_channel_begins_with_its_opening(bastion: Bastion) -> None:
    """The first frame of a channel says what kind it is, before its request and all that passes on it."""
    async with logged_in(bastion) as connection:
        for command in ("echo one", "echo two"):
            _, heard = await channel(connection, command=command)
            await asyncio.wait_for(heard.closed.wait(), 60)
    await bastion.closed()
    frames = await bastion.frames()
    assert told(frames, FrameType.OPEN) == [(1, {"kind": "session"}), (2, {"kind": "session"})]
    for number in (1, 2):
        kinds = [frame.type for frame in frames if frame.channel == number]
        assert kinds[:2] == [FrameType.OPEN, FrameType.REQUEST]


async def test_a_transfer_says_that_contents_are_not_in_the_trace(bastion: Bastion, tmp_path: Path) -> None:
    """Of files that pass, the trace holds operations and digests; a gap says so before the first of them."""
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(1000))
    command = ["scp", *bastion.client.options(), "-P", str(bastion.client.port), str(sent)]
    target = f"alice+scan01@{bastion.client.host}:{tmp_path}/received"
    ended = await bastion.client.run([*command, target], answers=bastion.answers())
    assert ended.rc == 0, ended.said
    await bastion.closed()
    frames = await bastion.frames()
    assert told(frames, FrameType.GAP) == [(1, {"kind": "transfer"})]
    kinds = [frame.type for frame in frames]
    assert kinds.index(FrameType.GAP) < kinds.index(FrameType.FILE)


async def test_what_a_device_says_after_the_end_is_counted_as_missing(bastion: Bastion) -> None:
    """Output that waits when a channel is ended from here does not pass, and the trace says how much it was."""
    async with logged_in(bastion) as connection:
        opened, heard = await channel(connection, command="yes")
        await heard.until(b"y")
        opened.pause_reading()
        supervisor = bastion.gateway._supervisor
        assert supervisor is not None
        [session] = supervisor.sessions
        [relay] = session.relays.values()
        await eventually(lambda: relay.to_person.held)
        supervisor.end(session, EndReason.CUT)
        await bastion.closed()
    [(number, gap)] = told(await bastion.frames(), FrameType.GAP)
    assert (number, gap["kind"], gap["input"]) == (1, "ended", 0)
    assert int(str(gap["output"])) > 0


async def test_no_channel_opens_between_a_suspension_and_the_cut_it_brings(bastion: Bastion) -> None:
    """Whoever asks before the gateway has heard of the change is refused with the reason, and her session ends."""
    async with logged_in(bastion) as connection:
        _, first = await channel(connection, command="cat")
        await suspend(bastion)
        _, second = await channel(connection, command="echo in")
        await asyncio.wait_for(second.closed.wait(), 60)
        assert second.out == b""
        assert second.status == 1
        assert "PGSSIS-E3 - Le compte alice est suspendu" in second.err.decode()
        await asyncio.wait_for(first.closed.wait(), 60)
    await bastion.closed()
    [(_, end)] = told(await bastion.frames(), FrameType.END)
    failed = {"rule": "E3", "key": "finding.E3.suspended", "person": "alice"}
    assert end == {"reason": "refused", "failed": [failed]}


async def test_no_channel_opens_while_nobody_can_tell_whether_it_may(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the policy store unreadable a live session goes on, and takes no new channel."""
    async with logged_in(bastion) as connection:
        first, heard = await channel(connection, command="cat")

        async def unreadable(_grants: object) -> None:
            raise PolicyUnavailable("no answer")

        monkeypatch.setattr(bastion.world.services.access, "recheck", unreadable)
        _, second = await channel(connection, command="echo in")
        await asyncio.wait_for(second.closed.wait(), 60)
        assert (second.out, second.status) == (b"", 1)
        assert "autorisations" in second.err.decode()
        first.write(b"still here")
        await heard.until(b"still here")


async def test_channels_asked_for_at_once_share_an_answer_that_is_younger_than_each(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty channels at once cost policy two questions, not forty; none is let in by an answer older than itself."""
    access = bastion.world.services.access
    ask, asked = access.recheck, []

    async def counted(grants: Sequence[Grant]) -> Mapping[SessionId, Held | Denial]:
        asked.append(len(grants))
        return await ask(grants)

    async with logged_in(bastion) as connection:
        await channel(connection, command="cat")
        monkeypatch.setattr(access, "recheck", counted)
        opened = await asyncio.gather(*(channel(connection, command="echo in") for _ in range(40)))
        for _, heard in opened:
            await asyncio.wait_for(heard.closed.wait(), 60)
            assert heard.out == b"in\n"
        assert 1 <= len(asked) < 10
        monkeypatch.undo()
        await suspend(bastion)
        refused: list[Any] = await asyncio.gather(
            *(channel(connection, command="echo in") for _ in range(10)), return_exceptions=True
        )
        for answer in refused:
            if isinstance(answer, tuple):  # else the connection was closed before its turn
                await asyncio.wait_for(answer[1].closed.wait(), 60)
                assert answer[1].out == b""


async def test_a_client_that_leaves_while_the_device_is_dialled_leaves_nothing(bastion: Bastion) -> None:
    """A session that is being opened ends with its client: no lease, trace or connection stays behind."""
    port = bastion.device.port
    await bastion.device.stop()
    asked = asyncio.Event()
    connections: list[asyncio.StreamWriter] = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        asked.set()

    server = await asyncio.start_server(mute, "127.0.0.1", port)
    process = await bastion.client.start(
        bastion.client.command("alice+scan01", "id"), answers=bastion.answers()
    )
    await asyncio.wait_for(asked.wait(), 60)
    process.kill()
    await process.communicate()
    await eventually(lambda: bastion.gateway.connections == 0)
    await bastion.closed()
    connections[0].close()
    server.close()
    await server.wait_closed()
    assert len(bastion.sessions()) == 1
    live = await bastion.world.services.access.sessions(bastion.world.id)
    assert live == []
