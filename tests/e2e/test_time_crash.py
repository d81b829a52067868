"""The installation as it runs, its processes killed: the trace holds what passed, and tells who touched it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ecluse.demo.ports import free_port
from ecluse.demo.processes import is_alive
from ecluse.demo.scene import HOST, OPEN_DEVICE, Scene
from ecluse.migration import Move
from ecluse.presence import pid_of, port_of
from ecluse.settings import load
from policy.clock import SystemClock
from policy.store.migrations.upgrade import MIGRATIONS as POLICY
from recorder.replay.reader import TraceReader
from recorder.seal.wrapping import ReaderKey
from recorder.store.migrations.upgrade import MIGRATIONS as TRACES
from recorder.trace.frames import FrameType
from tests.support.bastion import output
from tests.support.newer_schema import Step, newer
from tests.support.ssh_client import SshClient
from tests.support.waiting import answered, eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

COUNTING = "i=0; while :; do echo line $i; i=$((i+1)); done"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A whole installation with its own processes, which survives each test, and alice's window on one device."""
    built = await Scene.build(tmp_path_factory.mktemp("crash") / "scene", SystemClock(), lambda _key: None)
    try:
        yield built
    finally:
        await built.close()


@pytest.fixture
def client(scene: Scene, tmp_path: Path) -> SshClient:
    """Stock clients that know the gateway."""
    folder = tmp_path / "client"
    folder.mkdir()
    made = SshClient(HOST, scene.ssh_port, "", folder)
    made.known_hosts.write_text(scene.known_hosts.read_text())
    return made


def answers(scene: Scene, login: str = "alice") -> list[str]:
    """Return the password of *login* and a fresh code."""
    actor = getattr(scene.troupe, login)
    return [actor.password, actor.code(scene.clock)]


async def fresh_answers(scene: Scene) -> list[str]:
    """Return what `answers` does for alice, once there is a code that nobody gave: a minute has few."""

    async def unused() -> list[str] | None:
        with suppress(LookupError):
            return answers(scene)
        return None

    return await answered(unused)


def gateway_pid(scene: Scene) -> int:
    """Return the process that announces itself as the gateway of this installation."""
    text = (scene.data / "run" / "gateway.json").read_text()
    return int(text.split('"pid":')[1].split(",")[0])


async def restarted(scene: Scene, killed: int) -> None:
    """Wait until another gateway process is ready in the place of *killed*."""

    def again() -> bool:
        try:
            return port_of(scene.data / "run", "gateway") is not None and gateway_pid(scene) != killed
        except (OSError, IndexError):
            return False

    await eventually(again)


def traces(scene: Scene) -> list[Path]:
    """Return the folders of the closed traces."""
    return [path.parent for path in scene.data.joinpath("traces").rglob("manifest.json")]


def readers(scene: Scene) -> list[ReaderKey]:
    """Return the hospital's own key, which opens what the gateway sealed and cannot read."""
    return [ReaderKey.load(scene.data / "keys/readers/hospital.pem")]


async def ecluse(scene: Scene, *arguments: str) -> tuple[int, str]:
    """Run the command line, as a person who has the files and a public key alone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "ecluse", "--lang", "en", *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(scene.directory), "COLUMNS": "200"},
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


def told(scene: Scene, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return what the API lists at *path* to the operator."""
    with scene.client(scene.troupe.operator) as api:
        return [dict(item) for item in api.items(path, **query)]


async def test_kill_9_loses_nothing_that_passed(scene: Scene, client: SshClient, tmp_path: Path) -> None:
    """After kill -9 the trace holds every byte that passed, is closed as interrupted, verifies; then is touched."""
    target = tmp_path / "shown"
    with target.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *client.command(f"alice+{OPEN_DEVICE}", COUNTING),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=asyncio.subprocess.DEVNULL,
            env=client.environment(client._answers(answers(scene))),
            start_new_session=True,
        )
    await eventually(lambda: target.stat().st_size > 100_000)
    killed = gateway_pid(scene)
    os.kill(killed, signal.SIGKILL)
    assert await asyncio.wait_for(process.wait(), 60) == 255
    await restarted(scene, killed)

    await eventually(lambda: len(traces(scene)) == 1)
    (trace,) = traces(scene)
    with TraceReader(trace, readers(scene)) as reader:
        frames = list(reader.frames())
    shown, recorded = target.read_bytes(), output(frames)
    whole = recorded.startswith(shown)  # apart: megabytes make no readable message
    assert whole
    assert frames[-1].type is FrameType.END
    assert frames[-1].payload == b'{"reason":"interrupted"}'

    assert await asyncio.to_thread(told, scene, "/v1/sessions", state="live") == []
    (listed,) = await asyncio.to_thread(told, scene, "/v1/traces")
    assert listed["id"] == trace.name

    # the console brings it, out of what policy committed with the lease's end
    async def journalled() -> bool:
        names = {item["name"] for item in await asyncio.to_thread(told, scene, "/v1/journal")}
        return {"alarm.trace_interrupted", "session.closed"} <= names

    await answered(journalled)
    await eventually(lambda: not scene.devices[OPEN_DEVICE].processes())

    key = ["--public-key", str(scene.data / "keys/trace-signing.pem.pub")]
    status, said = await ecluse(scene, "traces", "verify", str(trace), *key)
    assert (status, "intact" in said) == (0, True), said
    await touched(scene, trace, key)

    again = await client.ssh(f"alice+{OPEN_DEVICE}", "echo in", answers=answers(scene))
    assert again.stdout == b"in\n", again.said
    await eventually(lambda: len(traces(scene)) == 2)


async def touched(scene: Scene, trace: Path, key: list[str]) -> None:
    """Flip one byte in the middle of the trace: the command line finds it, and names the record."""
    file = trace / "trace-000001.ecl"
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    status, said = await ecluse(scene, "traces", "verify", str(trace), *key)
    assert status == 1, said
    assert "record" in said
    assert "Traceback" not in said


async def test_sigterm_tells_whoever_is_inside(scene: Scene, client: SshClient) -> None:
    """A gateway that is asked to stop says so on the terminal before it closes it, and its trace is whole."""
    before = set(traces(scene))
    command = client.command(f"bob+{OPEN_DEVICE}", options=["-tt"])
    async with client.terminal(command, answers=answers(scene, "bob")) as terminal:
        await terminal.expect(b"maint@scan01")
        asked = gateway_pid(scene)
        os.kill(asked, signal.SIGTERM)
        await terminal.expect("redémarrer".encode())
        terminal.send(b"echo saved-$((40+2))\n")
        await terminal.expect(b"saved-42")
        assert await terminal.wait() == 255
        assert "la passerelle redémarre" in terminal.seen.decode()
    await eventually(lambda: len(set(traces(scene)) - before) == 1)
    (trace,) = set(traces(scene)) - before
    with TraceReader(trace, readers(scene)) as reader:
        frames = list(reader.frames())
    assert frames[-1].payload == b'{"reason":"drain"}'
    await eventually(lambda: not scene.devices[OPEN_DEVICE].processes())
    await restarted(scene, asked)


async def test_the_embedded_databases_move_on_under_a_session(
    scene: Scene, client: SshClient, tmp_path: Path
) -> None:
    """Tomorrow's migrations of both files while she works: her session goes on, he comes in, the console answers."""
    column = 'op.add_column("{table}", sa.Column("ticket", sa.Text()))'
    policy = newer(POLICY, tmp_path / "policy", Step(body=column.format(table="sessions")))
    traces = newer(TRACES, tmp_path / "traces", Step(body=column.format(table="sessions_opened")))
    move = Move(load(scene.config), SystemClock(), policy, traces)
    command = client.command(f"alice+{OPEN_DEVICE}", options=["-tt"])
    async with client.terminal(command, answers=await fresh_answers(scene)) as terminal:
        await terminal.expect(b"maint@scan01")
        await move.run()
        assert (await move.state()).policy.revision == policy.head
        terminal.send(b"echo alive-$((40+2)); exit\n")
        await terminal.expect(b"alive-42")
        assert await terminal.wait() == 0
    came = await client.ssh(f"bob+{OPEN_DEVICE}", "echo in", answers=answers(scene, "bob"))
    assert came.stdout == b"in\n", came.said
    assert await asyncio.to_thread(told, scene, "/v1/devices")


async def test_a_gateway_is_replaced_and_nobody_notices(scene: Scene, tmp_path: Path) -> None:
    """Asked to hand over, it ends with its last session; its successor has the port and all newcomers meanwhile."""
    run = scene.data / "run"
    kept = gateway_pid(scene)
    os.kill(kept, signal.SIGUSR2)  # under `ecluse serve`, which would start a third: refused
    client = SshClient(
        HOST, free_port(), (scene.data / "keys/host_ed25519.pub").read_text().strip(), tmp_path
    )
    logged = tmp_path / "log"
    with logged.open("wb") as log:
        first = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "ecluse", "gateway", "--config", str(scene.config)),
            env={**os.environ, "ECLUSE_GATEWAY__PORT": str(client.port)},
            stderr=log,
        )
    second = kept
    try:
        await eventually(lambda: pid_of(run, "gateway") == first.pid)
        command = client.command(f"alice+{OPEN_DEVICE}", options=["-tt"])
        async with client.terminal(command, answers=await fresh_answers(scene)) as terminal:
            await terminal.expect(b"maint@scan01")
            first.send_signal(signal.SIGUSR2)
            await eventually(lambda: b"gateway.handed_over" in logged.read_bytes())
            second = gateway_pid(scene)
            assert second != first.pid
            came = await client.ssh(f"bob+{OPEN_DEVICE}", "echo in", answers=answers(scene, "bob"))
            assert came.stdout == b"in\n", came.said
            live = await asyncio.to_thread(told, scene, "/v1/sessions", state="live")
            assert ("alice", "node1.2") in [(one["person_login"], one["node"]) for one in live]
            terminal.send(b"echo alive-$((40+2)); exit\n")
            await terminal.expect(b"alive-42")
            assert await terminal.wait() == 0
            assert "redémarre" not in terminal.seen.decode()
        assert await asyncio.wait_for(first.wait(), 60) == 0
        assert gateway_pid(scene) == second
        nodes = {one["node"] for one in await asyncio.to_thread(told, scene, "/v1/traces")}
        assert {"node1.2", "node1.3"} <= nodes
        assert is_alive(kept)
        assert "keeps this one alive" in (scene.directory / "serve.log").read_text()
    finally:
        if first.returncode is None:
            first.kill()
            await first.wait()
        if second != kept:
            os.kill(second, signal.SIGTERM)
            await eventually(lambda: not is_alive(second))
