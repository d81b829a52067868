"""A short network loss: the next connection goes on with the same intervention, and says what became of the last."""

import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.server import front
from gateway.session import ending
from policy.domain.sessions import SessionState
from tests.support.bastion import Bastion, running_bastion
from tests.support.waiting import answered, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Bastion]:
    """A running bastion where a person may have one session at a time."""
    async with running_bastion(tmp_path, world_settings={"session_limit": 1}) as running:
        yield running


async def answers(bastion: Bastion) -> list[str]:
    """Return what she answers, once the gateway's lease is fresh again on the clock moved for her code."""
    given = bastion.answers()

    async def fresh() -> bool:
        sessions = await bastion.world.services.access.sessions(bastion.world.id)
        return all(session.state is SessionState.LIVE for session in sessions)

    await answered(fresh)
    return given


@pytest.mark.alone
async def test_a_broken_connection_is_told_by_the_next(bastion: Bastion) -> None:
    """Killed without a word, a client comes back within ten seconds: same intervention, second session, and why."""
    client = bastion.client
    command = client.command("alice+scan01", options=["-tt"])
    async with client.terminal(command, answers=bastion.answers()) as terminal:
        first = await terminal.expect("enregistrée".encode())
        assert "Session n°".encode() not in first
        os.kill(terminal.process.pid, signal.SIGKILL)
        begun = time.monotonic()
        await bastion.closed()
    async with client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect("Session n° 2 de cette intervention.".encode())
        await terminal.expect(b"connexion perdue")
        assert time.monotonic() - begun < 10
        terminal.send(b"exit\r")
        await terminal.process.wait()
    await bastion.closed()
    closed = await bastion.events("session.closed")
    assert [entry.event.details["reason"] for entry in closed] == ["lost", "left"]
    assert len(bastion.sessions()) == 2
    bastion.clock.advance(timedelta(minutes=1))
    async with client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect("Session n° 3".encode())
        await terminal.expect("vous l’avez quittée".encode())


@pytest.mark.alone
async def test_a_half_dead_connection_does_not_keep_her_out(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose network is gone holds her only session; she comes back all the same, within ten seconds."""
    monkeypatch.setattr(front, "PROBE_SECONDS", 1.0)
    monkeypatch.setattr(ending, "CLIENT_SECONDS", 0.5)  # with what either has by itself it takes some six
    client = bastion.client
    command = client.command("alice+scan01", options=["-tt"])
    async with client.terminal(command, answers=bastion.answers()) as stuck:
        await stuck.expect("enregistrée".encode())
        given = await answers(bastion)
        os.kill(stuck.process.pid, signal.SIGSTOP)  # as if its packets went nowhere: the TCP connection stays
        try:
            begun = time.monotonic()
            async with client.terminal(command, answers=given) as terminal:
                await terminal.expect(b"connexion perdue")
                assert time.monotonic() - begun < 10
        finally:
            os.kill(stuck.process.pid, signal.SIGCONT)


async def test_a_live_connection_stays_when_she_comes_a_second_time(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who answers is not cut: the second session is refused by the limit, the first goes on."""
    monkeypatch.setattr(front, "PROBE_SECONDS", 60.0)  # a client may wait for a processor
    client = bastion.client
    command = client.command("alice+scan01", options=["-tt"])
    async with client.terminal(command, answers=bastion.answers()) as first:
        await first.expect("enregistrée".encode())
        second = await client.ssh("alice+scan01", "true", answers=await answers(bastion))
        assert second.rc == 1
        assert "Sessions ouvertes" in second.said
        first.send(b"echo al''ive\r")
        await first.expect(b"alive")
        await eventually(lambda: bastion.gateway.sessions == 1)
