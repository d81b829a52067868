"""The security staff's side, unattended: what was recorded is sealed, found, proven, and its loss is seen.

Steps follow those of the rehearsal, whose sessions they look into; the last one damages the store on purpose.
"""

import asyncio
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecluse.demo.rehearsal import MARKER, POLL_SECONDS, StepFailed, hold
from ecluse.demo.scene import Scene
from ecluse.pieces import unpack
from recorder.errors import TraceSealed
from recorder.replay.reader import TraceReader
from recorder.seal.wrapping import ReaderKey, generate_reader_key
from recorder.trace.manifest import segment_name
from recorder.trace.place import MANIFEST

REASON = "demonstration"
NOTICED_SECONDS = 30.0
VERIFIER_SECONDS = 60.0
INTACT, TOUCHED, UNPROVEN = 0, 1, 3


class Inquiry:
    """Plays the security staff's steps in order, after those of the rehearsal."""

    def __init__(self, scene: Scene, say: Callable[..., str]) -> None:
        """Look into *scene*; *say* puts what was seen (a message key, its arguments) into words."""
        self._scene = scene
        self._say = say
        self._folder = scene.directory / "client"
        self._store = scene.data / "traces"
        self._verifier = self._folder / "verify.py"
        self._proofs = self._folder / "proofs"

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Awaitable[str]]], ...]:
        """The promises in order: a message key, and what to do to see it kept."""
        return (
            ("demo.step.sealed", self._threaded(self._sealed)),
            ("demo.step.search", self._threaded(self._search)),
            ("demo.step.checkpoint", self._checkpoint),
            ("demo.step.taken", self._taken),
            ("demo.step.evidence", self._evidence),
            ("demo.step.alarm", self._threaded(self._alarm)),
        )

    @staticmethod
    def _threaded(step: Callable[[], str]) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            return await asyncio.to_thread(step)

        return run

    def _traces(self) -> list[Path]:
        return sorted(path.parent for path in self._store.rglob(MANIFEST))

    def _sealed(self) -> str:
        keys = self._scene.data / "keys/readers"
        reader = ReaderKey.load(keys / "hospital.pem")
        stranger = generate_reader_key(self._folder / "stranger.pem")
        shown = 0
        for trace in self._traces():
            clear = MARKER.encode() in b"".join(path.read_bytes() for path in trace.rglob("*.ecl"))
            hold(not clear, f"what was typed stands in the open in {trace}")
            for others in ((), (stranger,)):
                hold(_refused(trace, others), f"{trace} was read without its reader's key")
            with TraceReader(trace, (reader,)) as opened:
                shown += any(MARKER.encode() in frame.payload for frame in opened.frames())
        hold(shown > 0, "the reader's own key shows nothing of what was done")
        return self._say("demo.seen.reader", reader=reader.public.key_id)

    def _search(self) -> str:
        with self._scene.client(self._scene.troupe.operator) as api:
            query = {"q": f'"{MARKER}"', "reason": REASON}
            found = _within(lambda: api.get("/v1/search", **query)["items"], "the search finds nothing")
        hold(found[0]["person_login"] == self._scene.troupe.alice.login, f"the hit is of another: {found[0]}")
        return self._say(
            "demo.seen.hit", text=str(found[0]["snippet"]).strip(), seconds=found[0]["at_ms"] / 1000
        )

    async def _checkpoint(self) -> str:
        sequence = await asyncio.to_thread(self._prove)
        status, said = await self._run_verifier(self._proofs, self._store)
        hold(status in {INTACT, UNPROVEN} and not said["findings"], f"a fresh store does not verify: {said}")
        return self._say("demo.seen.store", sequence=sequence, count=len(self._traces()))

    def _prove(self) -> int:
        self._verifier.write_bytes(files("recorder.proof").joinpath("verifier.py").read_bytes())
        with self._scene.client(self._scene.troupe.operator) as api:
            made = api.post("/v1/checkpoints")["items"]
            with api.stream("/v1/proofs/export") as pieces:
                unpack(pieces, self._proofs)
        return int(made[-1]["sequence"])

    async def _taken(self) -> str:
        copy = self._folder / "robbed"
        shutil.copytree(self._store, copy)
        victim = next(path.parent for path in sorted(copy.rglob(MANIFEST)))
        shutil.rmtree(victim)
        status, said = await self._run_verifier(self._proofs, copy)
        named = [one for one in said["findings"] if one["name"] == victim.name]
        hold(status == TOUCHED and bool(named), f"a trace that was taken away is not missed: {said}")
        return f"{named[0]['what']}: {victim.name[:8]}"

    async def _evidence(self) -> str:
        package = self._folder / "evidence.zip"
        await asyncio.to_thread(self._make_package, package)
        status, said = await self._run_verifier(package)
        hold(status in {INTACT, UNPROVEN} and not said["findings"], f"the package does not verify: {said}")
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        return self._say("demo.seen.package", size=package.stat().st_size // 1024, digest=f"{digest[:16]}…")

    def _make_package(self, target: Path) -> None:
        with self._scene.client(self._scene.troupe.operator) as api, target.open("xb") as file:
            session = self._traces()[0].name
            with api.stream(
                "/v1/evidence", patience=VERIFIER_SECONDS, session=[session], reason=REASON
            ) as body:
                file.writelines(body)

    def _alarm(self) -> str:
        damaged = self._traces()[0]
        segment = damaged / segment_name(1)
        segment.chmod(0o600)
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        with self._scene.client(self._scene.troupe.operator) as api:
            proof = api.post(f"/v1/traces/{damaged.name}/verify")
            hold(not proof["valid"], "a bit that was flipped in the store was not found")

            def raised() -> list[dict[str, Any]]:
                return [one for one in api.items("/v1/alarms") if one["kind"] == "trace_altered"]

            alarm = _within(raised, "no alarm was raised")[0]
        return f"{alarm['severity']}: {alarm['title']}"

    async def _run_verifier(self, path: Path, store: Path | None = None) -> tuple[int, Mapping[str, Any]]:
        keys = self._scene.data / "keys"
        python = shutil.which("python3") or sys.executable
        where = [] if store is None else ["--store", str(store)]
        process = await asyncio.create_subprocess_exec(
            python, "-I", str(self._verifier), str(path), *where, "--json",
            "--key", str(keys / "trace-signing.pem.pub"),
            "--checkpoint-key", str(keys / "checkpoint-signing.pem.pub"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(VERIFIER_SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        if process.returncode not in {INTACT, TOUCHED, UNPROVEN}:
            raise StepFailed(f"the verifier stopped: {err.decode(errors='replace')}")
        return process.returncode, json.loads(out)


def _refused(trace: Path, readers: tuple[ReaderKey, ...]) -> bool:
    with TraceReader(trace, readers) as opened:
        try:
            next(opened.frames(), None)
        except TraceSealed:
            return True
    return False


def _within(look: Callable[[], list[dict[str, Any]]], what: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + NOTICED_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise StepFailed(what)
        time.sleep(POLL_SECONDS * 5)
    return found
