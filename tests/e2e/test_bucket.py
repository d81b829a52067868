"""An installation whose traces are in a bucket: followed while they grow, finished after kill -9, read and proved."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
import pytest_asyncio

from ecluse.demo.scene import HOST, OPEN_DEVICE, Scene
from ecluse.presence import port_of
from policy.clock import SystemClock
from recorder.settings import StoreCredentials
from recorder.store.bucket import Bucket
from tests.support import s3
from tests.support.ssh_client import SshClient
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

COUNTING = "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done"
REASON = "Incident 42"


def written(path: Path, told: StoreCredentials) -> str:
    """Write a file of credentials, and return its path."""
    path.write_text(
        f"[default]\naws_access_key_id={told.access_key}\naws_secret_access_key={told.secret_key}\n"
    )
    path.chmod(0o600)
    return str(path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A whole installation with its own processes, told by its environment that there is a bucket."""
    folder, server = tmp_path_factory.mktemp("bucket"), s3.own()
    store = {
        "BUCKET": s3.BUCKET,
        "ENDPOINT": server.endpoint,
        "CREDENTIALS": written(folder / "gateway", server.gateway),
        "CONSOLE_CREDENTIALS": written(folder / "console", server.console),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in store.items():
            environment.setenv(f"ECLUSE_STORE__{name}", value)
        built = await Scene.build(folder / "scene", SystemClock(), lambda _key: None)
    try:
        yield built
    finally:
        await built.close()


async def test_a_session_killed_in_the_bucket_is_finished_there(scene: Scene, tmp_path: Path) -> None:
    """What passed was in the bucket before the kill; afterwards the trace is whole there, proved, read and exported."""
    folder = tmp_path / "client"
    folder.mkdir()
    client = SshClient(HOST, scene.ssh_port, "", folder)
    client.known_hosts.write_text(scene.known_hosts.read_text())
    alice = scene.troupe.alice
    bucket = Bucket(s3.own().settings(tmp_path, s3.own().console))
    others, left = manifests(bucket), set(growing(bucket))
    process = await asyncio.create_subprocess_exec(
        *client.command(f"alice+{OPEN_DEVICE}", COUNTING),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=client.environment(client._answers([alice.password, alice.code(scene.clock)])),
        start_new_session=True,
    )
    await eventually(lambda: sum(growing(bucket, left).values()) > 4000)
    run = scene.data / "run"
    killed = int((run / "gateway.json").read_text().split('"pid":')[1].split(",")[0])
    os.kill(killed, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), 60)
    # a gateway starts, recovers and seals meanwhile: seconds of work, of which a busy machine makes many
    await eventually(lambda: manifests(bucket) > others)
    await eventually(lambda: port_of(run, "gateway") is not None and growing(bucket, left) == {})
    assert [path for path in (scene.data / "spool").iterdir() if path.name[0] != "."] == []
    assert list((scene.data / "traces").rglob("*.ecl")) == []
    proof, transcript, tar = await asyncio.to_thread(read, scene)
    assert proof["valid"] is True
    assert b"line 1" in transcript
    assert b"trace-000001.ecl" in tar
    (manifest,) = manifests(bucket) - others
    assert bucket.lock(manifest).retain_until is not None


def manifests(bucket: Bucket) -> set[str]:
    """Whatever else was closed in this bucket, which is every test's of this process."""
    return {each.key for each in bucket.listed("") if each.key.endswith("/manifest.json")}


def growing(bucket: Bucket, left: Collection[str] = ()) -> dict[str, int]:
    """The sizes of what is not closed yet in this bucket, but for what other tests *left*."""
    return {each.key: each.size for each in bucket.listed("live/") if each.key not in left}


def read(scene: Scene) -> tuple[dict[str, object], bytes, bytes]:
    """The proof, the transcript and the files of the only trace, as the hospital's side gets them."""
    with scene.client(scene.troupe.operator) as api:
        (trace,) = api.items("/v1/traces")
        place = f"/v1/traces/{trace['id']}"
        forms = []
        for form in ("transcript", "files"):
            with api.stream(f"{place}/{form}", reason=REASON) as pieces:
                forms.append(b"".join(pieces))
        return api.post(f"{place}/verify"), forms[0], forms[1]
