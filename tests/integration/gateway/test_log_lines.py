"""Whose session a log line is about can be read in the line itself."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from ecluse import logs
from gateway.session import supervisor
from policy.errors import PolicyUnavailable
from tests.support.bastion import Bastion, running_bastion
from tests.support.newcomer import newcomer
from tests.support.waiting import answered, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def written() -> io.StringIO:
    """What the process logs, configured as the product does."""
    stream = io.StringIO()
    logs.configure("info", stream)
    return stream


def lines(written: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The lines of *event*."""
    logged = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in logged if line["event"] == event]


async def go_through(bastion: Bastion, login: str) -> dict[str, str]:
    """Run a command as *login* and return the ids that its lines must carry."""
    ended = await bastion.client.ssh(f"{login}+scan01", "true", answers=bastion.answers(login))
    assert ended.rc == 0, ended.said
    await bastion.closed()
    opened = (await bastion.events("session.opened"))[-1]
    return {
        "hospital": "h-of-this-process",
        "session": str(opened.event.session_id),
        "person": bastion.world.who(login),
        "device": bastion.world.device.id,
    }


async def test_lines_of_a_session_carry_its_ids_and_no_other_s(tmp_path: Path, written: io.StringIO) -> None:
    """Opening and closing name hospital, session, person and device; the second session's lines are its own."""
    structlog.contextvars.bind_contextvars(hospital="h-of-this-process")
    async with running_bastion(tmp_path) as bastion:
        first = await go_through(bastion, "alice")
        second = await go_through(bastion, "alice")
    assert first["session"] != second["session"]
    for event in ("session.opened", "session.closed"):
        named = [{key: line.get(key) for key in first} for line in lines(written, event)]
        assert named == [first, second]


async def test_a_failure_while_a_session_ends_names_the_session(
    tmp_path: Path, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where policy is gone when a session closes, a line says so with all four ids; once back, the lease is given back."""

    async def gone(*_arguments: object, **_named: object) -> None:
        raise PolicyUnavailable("the policy database cannot be used: OperationalError")

    structlog.contextvars.bind_contextvars(hospital="h-of-this-process")
    monkeypatch.setattr(supervisor, "HEARTBEAT_SECONDS", 0.1)
    async with running_bastion(tmp_path) as bastion:
        access = bastion.world.services.access
        with monkeypatch.context() as broken:
            broken.setattr(type(access), "session_closed", gone)
            expected = await go_through(bastion, "alice")
            await eventually(lambda: bool(lines(written, "session.lease_kept")))
            [live] = await access.sessions(bastion.world.id)
            assert live.closed_at is None

        async def given_back() -> bool:
            return not await access.sessions(bastion.world.id)

        await answered(given_back)
        assert (await access.session(bastion.world.id, live.session_id)).end_reason == "left"
    (line,) = lines(written, "session.lease_kept")
    assert expected.items() <= line.items()


async def test_who_is_turned_away_is_counted_not_told_one_by_one(
    tmp_path: Path, written: io.StringIO
) -> None:
    """A crowd at the door makes one line a sweep, with its number, and no line where nobody was turned away."""
    async with running_bastion(tmp_path, max_unauthenticated_per_source=1) as bastion:
        port = bastion.gateway.port
        async with newcomer(port) as held:
            assert await held.let_in()
            for _ in range(30):
                async with newcomer(port) as other:
                    assert not await other.let_in()
        bastion.gateway.sweep()
        told = lines(written, "connections.turned_away")
        assert sum(line["count"] for line in told) == 30
        assert len(told) < 10
        assert {line["last"] for line in told} == {"127.0.0.1"}
        bastion.gateway.sweep()
        assert len(lines(written, "connections.turned_away")) == len(told)
