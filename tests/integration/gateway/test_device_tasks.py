"""Device tasks, from the planner's request to what a real sshd answered."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecluse.demo.device import DemoDevice
from gateway.errors import DeviceUnreachable
from gateway.target.dial import Dialler
from gateway.target.hostkeys import fetch
from gateway.target.tasks import TaskRunner
from policy.authn import ssh_keys
from policy.clock import ManualClock
from policy.domain.devices import KNOWN, Algorithms
from policy.domain.tasks import DeviceTask, TaskKind, TaskState
from policy.i18n import load
from policy.vault.secret import Secret
from recorder.audit.events import SecurityEvent
from recorder.errors import JournalBroken
from tests.support.policy_world import World, host_key_line, make_world
from tests.support.waiting import answered, eventually

pytest_plugins = ("tests.support.sshd",)
pytestmark = pytest.mark.integration


class Events:
    """A journal that keeps events in memory, or refuses them."""

    def __init__(self) -> None:
        """Take events."""
        self.kept: list[SecurityEvent] = []
        self.broken = False

    async def append(self, event: SecurityEvent) -> None:
        """Keep *event*."""
        if self.broken:
            raise JournalBroken("the disk is full")
        self.kept.append(event)


@dataclass
class Bench:
    """A hospital whose scan01 is the real sshd, and a runner."""

    world: World
    runner: TaskRunner
    events: Events

    async def result_of(self, kind: TaskKind) -> DeviceTask:
        """Ask for a task, have it done, and return it."""
        services, dsi = self.world.services, self.world.who("dsi")
        account = self.world.account.id if kind is TaskKind.TRY_ACCOUNT else None
        asked = await services.device_tasks.request(
            dsi, self.world.id, kind, self.world.device.id, account_id=account
        )
        assert await self.runner.run_one()
        return await services.device_tasks.get(dsi, self.world.id, asked.id)


async def bench(tmp_path: Path, device: DemoDevice, *, secret: str | None, host_key: str) -> Bench:
    """Make a hospital that holds *secret* and *host_key* for the device."""
    clock = ManualClock(datetime(2026, 3, 17, 11, 0, tzinfo=UTC))
    world = await make_world(
        f"sqlite+aiosqlite:///{tmp_path}/policy.db",
        clock,
        address=device.host,
        port=device.port,
        host_key=host_key,
        secret=Secret(secret or device.account.password or ""),
    )
    events = Events()
    dialler = Dialler(world.services.vault, 10.0)
    tasks = world.services.device_tasks
    runner = TaskRunner(tasks, dialler, events, load("gateway"), clock, hospital_id=world.id, node="node1")
    return Bench(world, runner, events)


@pytest.fixture
async def good(tmp_path: Path, device: DemoDevice) -> AsyncIterator[Bench]:
    """Give a hospital that knows its device well."""
    made = await bench(tmp_path, device, secret=None, host_key=device.host_key_public)
    yield made
    await made.world.close()


async def test_host_keys_are_fetched_and_nothing_is_pinned(good: Bench, device: DemoDevice) -> None:
    """The keys a device shows come back to be compared; the journal names the device before it is dialled."""
    task = await good.result_of(TaskKind.FETCH_HOST_KEYS)
    assert task.state is TaskState.DONE
    assert task.result is not None
    assert [line.split()[:2] for line in task.result.host_keys] == [device.host_key_public.split()[:2]]
    assert [event.name for event in good.events.kept] == ["device.task_begun"]
    assert "Accepted" not in device.log()


async def test_an_account_is_tried(good: Bench, device: DemoDevice) -> None:
    """A right secret on the pinned key succeeds, and the device saw that log-in."""
    task = await good.result_of(TaskKind.TRY_ACCOUNT)
    assert task.result is not None
    assert task.result.ok
    assert "Accepted password for" in device.log()


async def test_a_wrong_secret_is_said_and_not_shown(tmp_path: Path, device: DemoDevice) -> None:
    """A refused account fails the task in both languages, and the secret is nowhere in the answer."""
    made = await bench(tmp_path, device, secret="not-the-password", host_key=device.host_key_public)
    task = await made.result_of(TaskKind.TRY_ACCOUNT)
    await made.world.close()
    assert task.result is not None
    assert not task.result.ok
    assert "refuse le compte" in task.result.detail
    assert "refuses the dedicated account" in task.result.detail
    assert "not-the-password" not in repr(task)


async def test_a_changed_host_key_never_sees_the_secret(tmp_path: Path, device: DemoDevice) -> None:
    """Where the device shows another key than the pinned one, nothing is tried on it."""
    pinned = host_key_line()
    made = await bench(tmp_path, device, secret=None, host_key=pinned)
    task = await made.result_of(TaskKind.TRY_ACCOUNT)
    await made.world.close()
    assert task.result is not None
    assert not task.result.ok
    assert "clé attendue" in task.result.detail
    for line in (pinned, device.host_key_public):
        assert task.result.detail.count(ssh_keys.parse(line).fingerprint) == 2, "once in each language"
    assert "password" not in device.log()


@pytest.mark.parametrize("kind", list(TaskKind))
async def test_a_list_that_names_no_algorithm_fails_the_task(
    good: Bench, device: DemoDevice, kind: TaskKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list written when names were not checked is told as what it is, by its name, and nothing is dialled."""
    known = {**KNOWN, "kex": ("foo", *KNOWN["kex"])}
    monkeypatch.setattr("policy.services.inputs.KNOWN", known)
    world, before = good.world, device.log()
    who = world.who("dsi"), world.id, world.device.id
    await world.services.devices.update(*who, algorithms=Algorithms(kex=("foo",)))
    until = world.clock.now() + timedelta(days=1)
    await world.services.derogations.accept(
        world.who("rssi"), *who[1:], reason="Écrit par erreur", until=until
    )
    task = await good.result_of(kind)
    assert task.state is TaskState.FAILED
    assert task.result is not None
    assert "nomment un algorithme" in task.result.detail
    assert "foo" in task.result.detail
    assert device.log() == before


async def test_a_task_that_breaks_ends_as_failed(good: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw leaves no task that runs for ever: it has failed, and says by what."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(Dialler, "dial", broken)
    task = await good.result_of(TaskKind.TRY_ACCOUNT)
    assert task.state is TaskState.FAILED
    assert task.result is not None
    assert "ZeroDivisionError" in task.result.detail
    assert await good.runner.run_one() is False


async def test_no_device_is_dialled_that_the_journal_does_not_have(good: Bench, device: DemoDevice) -> None:
    """With a journal that refuses, the task fails and the device hears nothing."""
    good.events.broken = True
    before = device.log()
    task = await good.result_of(TaskKind.TRY_ACCOUNT)
    assert task.result is not None
    assert not task.result.ok
    assert device.log() == before


async def test_a_mute_device_is_given_up() -> None:
    """A device that accepts and says nothing costs the timeout, no more."""
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(DeviceUnreachable):
        await fetch("127.0.0.1", mute.getsockname()[1], None, Algorithms(), timeout=0.3)


async def test_a_device_that_talks_nonsense_is_unreachable() -> None:
    """Something else than SSH at the port is said to be unreachable, not a crash."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"SSH-2.0-x\r\n" + b"\xff" * 1000)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        with pytest.raises(DeviceUnreachable):
            await fetch("127.0.0.1", server.sockets[0].getsockname()[1], None, Algorithms(), timeout=5)


async def test_the_runner_looks_for_tasks_until_stopped(good: Bench) -> None:
    """Started, it does what is asked without being called; stopped, it leaves nothing running."""
    before = asyncio.all_tasks()
    good.runner.start()
    services, dsi = good.world.services, good.world.who("dsi")
    asked = await services.device_tasks.request(
        dsi, good.world.id, TaskKind.FETCH_HOST_KEYS, good.world.device.id
    )

    async def done() -> bool:
        return (await services.device_tasks.get(dsi, good.world.id, asked.id)).state is TaskState.DONE

    await answered(done)
    await good.runner.stop()
    await eventually(lambda: asyncio.all_tasks() <= before)
