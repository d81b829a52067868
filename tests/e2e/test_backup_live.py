"""A backup made while technicians work and staff write, brought back on an empty place, whose processes go on from there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ecluse.client import ApiClient
from ecluse.demo.ports import free_port
from ecluse.demo.scene import HOST, OPEN_DEVICE, Scene
from ecluse.profile import Profile
from policy.clock import SystemClock
from policy.vault.secret import Secret
from recorder.replay.reader import TraceReader
from recorder.seal.wrapping import ReaderKey
from tests.support.bastion import output
from tests.support.restored import Safe, served, verified
from tests.support.ssh_client import SshClient
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

COUNTING = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done"


def answers(scene: Scene, login: str) -> list[str]:
    """Return the password of *login* and a code that she did not give yet."""
    actor = getattr(scene.troupe, login)
    return [actor.password, actor.code(scene.clock)]


@asynccontextmanager
async def writing(scene: Scene) -> AsyncIterator[list[str]]:
    """Let staff declare one zone after another until the block ends; give the names of those that are done."""
    done: list[str] = []

    def declare() -> None:
        with scene.client(scene.troupe.dsi) as api:
            while not stop.is_set():
                name = f"zone{len(done)}"
                api.post("/v1/zones", {"name": name})
                done.append(name)

    stop = asyncio.Event()
    work = asyncio.create_task(asyncio.to_thread(declare))
    try:
        await eventually(lambda: len(done) > 3)
        yield done
    finally:
        stop.set()
        await work


async def test_what_was_copied_in_the_middle_of_work_goes_on_elsewhere(tmp_path: Path) -> None:
    """Sessions go on and end, and staff write, while it is made: restored, all of it verifies, and people log in."""
    scene = await Scene.build(tmp_path / "scene", SystemClock(), lambda _key: None)
    try:
        data = await backed_up(scene, tmp_path)
    finally:
        await scene.close()  # the machine is lost, and its devices are not: they come back under the same key
    assert not scene.data.exists()
    assert data.exists()


async def backed_up(scene: Scene, folder: Path) -> Path:
    """Make a backup of the *scene* in the middle of work, restore it, and insist that it serves."""
    safe, archive = Safe.made(folder, scene.config), folder / "one.backup"
    client = SshClient(HOST, scene.ssh_port, "", folder)
    client.known_hosts.write_text(scene.known_hosts.read_text())
    counting = client.command(f"alice+{OPEN_DEVICE}", options=["-tt"])
    leaving = client.command(f"bob+{OPEN_DEVICE}", options=["-tt"])
    async with (
        client.terminal(counting, answers=answers(scene, "alice")) as alice,
        client.terminal(leaving, answers=answers(scene, "bob")) as bob,
        writing(scene) as zones,
    ):
        for terminal in (alice, bob):
            await terminal.expect(b"maint@scan01")
        alice.send(COUNTING.encode() + b"\r")
        await alice.expect(b"line 20")
        before = len(zones)
        making = asyncio.create_task(safe.run("make", archive, "--config", scene.config, "--json"))
        part = folder / f".{archive.name}.part"
        await eventually(lambda: part.exists() or archive.exists())
        bob.send(b"exit\r")  # her session ends while the backup is made
        assert await bob.wait() == 0
        status, said = await making
        assert status == 0, said
        assert len(zones) > before, "staff waited for the backup"
        await alice.expect(b"line 40")
    return await brought_back(scene, safe, archive, zones[:before])


async def brought_back(scene: Scene, safe: Safe, archive: Path, zones: list[str]) -> Path:
    """Restore the *archive* and insist that everything verifies there, and that these *zones* are known."""
    data = archive.parent / "empty" / "data"
    data.parent.mkdir()
    status, said = await safe.run("restore", archive, data, "--json", opening=True)
    assert (status, json.loads(said)["journal"]["intact"]) == (0, True), said
    config = data / "ecluse.toml"
    text = config.read_text()
    ports = {scene.ssh_port: free_port(), scene.api_port: free_port()}
    for old, new in ports.items():
        text = text.replace(f"port = {old}", f"port = {new}")
    config.write_text(text)
    known = (data / "keys/host_ed25519.pub").read_text().strip()
    async with served(data):
        traces = data / "traces"
        await eventually(lambda: len(list(traces.rglob("manifest.json"))) == 2)  # alice's, interrupted
        token = Secret(scene.tokens[scene.troupe.dsi.login])
        profile = Profile(url=f"https://{HOST}:{ports[scene.api_port]}", ca=data / "tls/ca.pem", token=token)
        with ApiClient(profile, "en") as api:
            proof = await verified(api)
            assert (proof["valid"], proof["findings"]) == (True, []), proof
            assert proof["counts"]["traces"] == 2
            names = {
                str(one["name"]) for one in await asyncio.to_thread(lambda: list(api.items("/v1/zones")))
            }
            assert set(zones) <= names
        again = SshClient(HOST, ports[scene.ssh_port], known, data.parent)
        came = await again.ssh(f"bob+{OPEN_DEVICE}", "echo in", answers=answers(scene, "bob"))
        assert came.stdout == b"in\n", came.said
    shown = b"".join(shown_in(path.parent) for path in traces.rglob("manifest.json"))
    assert b"line 20" in shown
    return data


def shown_in(trace: Path) -> bytes:
    """Return what stood on the screen of a session, by the hospital's own key."""
    key = ReaderKey.load(trace.parents[5] / "keys/readers/hospital.pem")
    with TraceReader(trace, [key]) as reader:
        return output(list(reader.frames()))
