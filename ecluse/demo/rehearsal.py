"""The main job, unattended: real clients go through the lock, and every promise is looked at.

A step either holds or raises ``StepFailed``; nothing is taken for granted from the step before.
"""

import asyncio
import hashlib
import os
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ecluse.demo.openssh import Finished, OpenSsh
from ecluse.demo.scene import ACCOUNT, CLOSED_DEVICE, HOST, OPEN_DEVICE, Scene
from recorder.replay.reader import verify
from recorder.trace.manifest import segment_name
from recorder.trace.place import MANIFEST

FILE_BYTES = 3 * 1024 * 1024 + 17
CUT_SECONDS = 5.0
"""Beyond this a cut counts as failed. Two are promised, and shown: a machine that just built all this may be busy with it."""
SETTLE_SECONDS = 60.0
POLL_SECONDS = 0.05
EXEC_STATUS = 3
SSH_FAILED = 255
MARKER = "ecluse-was-here"
CUT_REASON = "exercice de coupure"


class StepFailed(Exception):
    """A promise was not kept; the text says which and what was seen."""


class Rehearsal:
    """Plays the steps in order against a built scene."""

    def __init__(self, scene: Scene, say: Callable[..., str]) -> None:
        """Play in *scene*; *say* puts what was seen (a message key, its arguments) into words."""
        self._scene = scene
        self._say = say
        self._ssh = OpenSsh(scene.directory / "client", HOST, scene.ssh_port, scene.known_hosts)
        self._session_id = ""
        self._spent_code = ""

    @property
    def steps(self) -> tuple[tuple[str, Callable[[], Awaitable[str]]], ...]:
        """The promises in order: a message key, and what to do to see it kept."""
        return (
            ("demo.step.four-eyes", self._four_eyes),
            ("demo.step.shell", self._shell),
            ("demo.step.replayed-code", self._replayed_code),
            ("demo.step.wrong-code", self._wrong_code),
            ("demo.step.exec", self._exec),
            ("demo.step.files", self._files),
            ("demo.step.jump", self._jump),
            ("demo.step.closed", self._closed_window),
            ("demo.step.cut", self._cut),
            ("demo.step.transcript", self._transcript),
            ("demo.step.secret", self._secret_unseen),
            ("demo.step.verify", self._verify),
            ("demo.step.tampered", self._tampered),
            ("demo.step.journal", self._journal),
        )

    async def _four_eyes(self) -> str:
        window = self._scene.windows[OPEN_DEVICE]
        answer = await asyncio.to_thread(self._window, window["id"])
        hold(answer["requested_by"] != answer["approved_by"], "the window was approved by who asked for it")
        return f"{window['id'][:8]}"

    def _window(self, window_id: str) -> dict[str, Any]:
        with self._scene.client(self._scene.troupe.operator) as api:
            return api.get(f"/v1/windows/{window_id}")

    def _answers(self, login: str) -> list[str]:
        actor = getattr(self._scene.troupe, login)
        return [actor.password, actor.code(self._scene.clock)]

    async def _shell(self) -> str:
        answers = self._answers("alice")
        self._spent_code = answers[1]
        place = self._ssh.place(f"alice+{OPEN_DEVICE}")
        typed = f"echo {MARKER[:7]}''{MARKER[7:]}; whoami; exit {EXEC_STATUS}\n".encode()
        done = await self._ssh.run("ssh", ["-tt", place], answers, typed)
        hold(done.status == EXEC_STATUS, f"the shell ended with {done.status}, not {EXEC_STATUS}", done)
        hold(MARKER in done.text, "the device's answer did not come back", done)
        return self._say("demo.seen.exit", status=done.status)

    async def _replayed_code(self) -> str:
        alice = self._scene.troupe.alice
        place = self._ssh.place(f"alice+{OPEN_DEVICE}")
        done = await self._ssh.run("ssh", [place, "true"], [alice.password, self._spent_code])
        hold(done.status == SSH_FAILED, "a code served twice", done)
        return "Permission denied"

    async def _wrong_code(self) -> str:
        bob = self._scene.troupe.bob
        right = bob.shown_code(self._scene.clock)
        wrong = f"{(int(right) + 1) % 1_000_000:06d}"
        place = self._ssh.place(f"bob+{OPEN_DEVICE}")
        done = await self._ssh.run("ssh", [place, "true"], [bob.password, wrong])
        hold(done.status == SSH_FAILED, "a wrong code opened", done)
        return "Permission denied"

    async def _master(self, login: str, name: str) -> asyncio.subprocess.Process:
        place = self._ssh.place(f"{login}+{OPEN_DEVICE}")
        arguments = ["-N", "-o", "ControlMaster=yes", *self._ssh.control(name), place]
        master = await self._ssh.start("ssh", arguments, self._answers(login))
        deadline = time.monotonic() + SETTLE_SECONDS
        while (await self._ssh.run("ssh", ["-O", "check", *self._ssh.control(name), place])).status != 0:
            if master.returncode is not None or time.monotonic() > deadline:
                said = await master.stderr.read() if master.stderr is not None else b""
                raise StepFailed(f"the log-in of {login} did not succeed: {said.decode(errors='replace')}")
            await asyncio.sleep(POLL_SECONDS)
        return master

    async def _exec(self) -> str:
        await self._master("alice", "a")
        place = self._ssh.place(f"alice+{OPEN_DEVICE}")
        command = f"echo to-out; echo to-err >&2; exit {EXEC_STATUS}"
        done = await self._ssh.run("ssh", [*self._ssh.control("a"), place, command])
        hold(done.status == EXEC_STATUS, f"the command ended with {done.status}", done)
        hold(done.out == b"to-out\n" and b"to-err\n" in done.err, "output and error output were mixed", done)
        return self._say("demo.seen.exit", status=done.status)

    async def _files(self) -> str:
        source, back = self._scene.directory / "sent.bin", self._scene.directory / "fetched.bin"
        source.write_bytes(os.urandom(FILE_BYTES))
        remote = f"{self._ssh.place(f'alice+{OPEN_DEVICE}')}:update.bin"
        for pair in ((str(source), remote), (remote, str(back))):
            done = await self._ssh.run("scp", [*self._ssh.control("a"), *pair])
            hold(done.status == 0, "scp failed", done)
        digest = _digest(source)
        stored = self._scene.devices[OPEN_DEVICE].home / "update.bin"
        hold(digest == _digest(stored) == _digest(back), "the file changed on its way")
        return f"sha256 {digest[:16]}…"

    async def _jump(self) -> str:
        road = self._ssh.road("a", f"alice+{OPEN_DEVICE}", f"{OPEN_DEVICE}:22")
        place = f"{ACCOUNT}@{OPEN_DEVICE}"
        done = await self._ssh.run("ssh", [*road, place, f"exit {EXEC_STATUS}"])
        hold(done.status == EXEC_STATUS, f"the command by a jump ended with {done.status}", done)
        return self._say("demo.seen.exit", status=done.status)

    async def _closed_window(self) -> str:
        device = self._scene.devices[CLOSED_DEVICE]
        before = device.log().count("Connection from")
        place = self._ssh.place(f"bob+{CLOSED_DEVICE}")
        done = await self._ssh.run("ssh", [place, "true"], self._answers("bob"))
        hold(done.status != 0, "a closed window opened", done)
        hold("O3" in done.text, "the refusal does not name its rule", done)
        hold("20:00" in done.text, "the refusal does not say the next opening", done)
        hold(device.log().count("Connection from") == before, "the device was contacted all the same")
        # the rule alone: the sentence is in the language of who was refused
        return next((word.strip(",") for word in done.text.split() if word.startswith("PGSSIS-O3")), "O3")

    async def _cut(self) -> str:
        place = self._ssh.place(f"alice+{OPEN_DEVICE}")
        device = self._scene.devices[OPEN_DEVICE]
        victim = await self._ssh.start(
            "ssh", ["-tt", *self._ssh.control("a"), place, "sh -c 'echo begun; exec sleep 600'"], piped=True
        )
        if victim.stdout is None:
            raise StepFailed("the client has no output")
        async with asyncio.timeout(SETTLE_SECONDS):
            await victim.stdout.readuntil(b"begun")
        self._session_id, started = await asyncio.to_thread(self._ask_for_cut)
        async with asyncio.timeout(SETTLE_SECONDS):
            rest = await victim.stdout.read()
        took = time.monotonic() - started
        await victim.wait()
        hold(took <= CUT_SECONDS, f"the cut took {took:.2f} s")
        hold(CUT_REASON in rest.decode(errors="replace"), f"the terminal does not say why: {rest!r}")
        await _until(lambda: not device.processes(), "the device's processes outlived the cut")
        return f"{took:.2f} s"

    def _ask_for_cut(self) -> tuple[str, float]:
        with self._scene.client(self._scene.troupe.operator) as api:
            live = list(api.items("/v1/sessions", state="live"))
            if len(live) != 1:
                raise StepFailed(f"one session should be live, not {len(live)}")
            started = time.monotonic()
            api.post(f"/v1/sessions/{live[0]['id']}/cut", {"reason": CUT_REASON})
            return str(live[0]["id"]), started

    async def _transcript(self) -> str:
        text = await asyncio.to_thread(self._fetch_transcripts)
        for expected in (MARKER, "to-out", "update.bin"):
            hold(expected in text, f"the transcripts do not show {expected!r}")
        return self._say("demo.seen.characters", count=len(text))

    def _fetch_transcripts(self) -> str:
        pieces: list[bytes] = []
        with self._scene.client(self._scene.troupe.operator) as api:
            deadline = time.monotonic() + SETTLE_SECONDS
            while len(list(api.items("/v1/traces"))) < 2:
                if time.monotonic() > deadline:
                    raise StepFailed("the traces of the two sessions were not closed")
                time.sleep(POLL_SECONDS)
            for trace in api.items("/v1/traces"):
                with api.stream(f"/v1/traces/{trace['id']}/transcript", reason="demonstration") as body:
                    pieces.extend(body)
        return b"".join(pieces).decode("utf-8", "replace")

    async def _secret_unseen(self) -> str:
        device = self._scene.devices[OPEN_DEVICE]
        secrets = [text.encode() for text in (device.account.password, device.account.private_key) if text]
        looked = 0
        theirs = (self._scene.directory / "devices", self._scene.directory / "client")
        for path in sorted(self._scene.data.rglob("*")):
            if path.is_file() and not any(path.is_relative_to(folder) for folder in theirs):
                looked += 1
                content = path.read_bytes()
                hold(
                    not any(secret in content for secret in secrets), f"the device's secret stands in {path}"
                )
        return self._say("demo.seen.files", count=looked)

    def _trace(self) -> Path:
        found = sorted(self._scene.data.joinpath("traces").rglob(f"{self._session_id}/{MANIFEST}"))
        if len(found) != 1:
            raise StepFailed(f"the trace of {self._session_id} is not in the store")
        return found[0].parent

    async def _verify(self) -> str:
        public = self._scene.data / "keys/trace-signing.pem.pub"
        result = await asyncio.to_thread(verify, self._trace(), public.read_bytes())
        hold(result.intact, f"a fresh trace does not verify: {result}")
        return self._say("demo.seen.records", count=result.records)

    async def _tampered(self) -> str:
        copy = self._scene.directory / "tampered"
        shutil.copytree(self._trace(), copy)
        trace = copy / segment_name(1)
        trace.chmod(0o600)
        content = bytearray(trace.read_bytes())
        content[len(content) * 2 // 3] ^= 1
        trace.write_bytes(content)
        public = self._scene.data / "keys/trace-signing.pem.pub"
        result = await asyncio.to_thread(verify, copy, public.read_bytes())
        hold(not result.intact, "a flipped bit was not found")
        return str(result.what)

    async def _journal(self) -> str:
        return await asyncio.to_thread(self._read_journal)

    def _read_journal(self) -> str:
        expected = {
            "session.opened",
            "access.denied",
            "authentication.failed",
            "session.cut",
            "session.closed",
        }
        deadline = time.monotonic() + SETTLE_SECONDS
        with self._scene.client(self._scene.troupe.operator) as api:
            # what the hospital's side did reaches the journal within a second, behind the act
            while True:
                names = {str(item["name"]) for item in api.items("/v1/journal", at_most=1000)}
                if names >= expected or time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
            outcome = api.post("/v1/journal/verify")
        hold(names >= expected, f"the journal lacks {sorted(expected - names)}")
        hold(bool(outcome["valid"]), f"the journal does not verify: {outcome}")
        return self._say("demo.seen.kinds", count=len(names))


def hold(kept: bool, what: str, done: Finished | None = None) -> None:
    """Raise StepFailed with *what*, and what the client *done* wrote, unless the promise was *kept*."""
    if not kept:
        seen = "" if done is None else f"\n{re.sub(chr(27), '^[', done.text.strip())}"
        raise StepFailed(what + seen)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise StepFailed(what)
        await asyncio.sleep(POLL_SECONDS)
