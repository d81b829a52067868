"""Back-pressure from end to end, on a real gateway process: memory stays flat, an interrupt is answered at once."""

import asyncio
import json
import os
import select
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ecluse.demo.scene import HOST, Scene
from policy.clock import SystemClock
from tests.support.dialogue import log_in
from tests.support.ssh_client import SshClient, Terminal
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

MIB = 1 << 20
GROWTH = 40 * MIB
STREAM = 128 * MIB
INTERRUPT_SECONDS = 0.3
FLOOD = 8 * MIB
STILL_SECONDS = 0.3
PROMPT = b"maint@scan01"


@dataclass(kw_only=True)
class Running:
    """The real processes, and alice's one log-in, which every channel shares."""

    scene: Scene
    client: SshClient
    gateway: int
    mux: list[str]

    def resident(self) -> int:
        """Return the gateway's resident memory, in bytes."""
        pages = int(Path(f"/proc/{self.gateway}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def traces(self) -> int:
        """Return how many bytes all recordings have on the disk."""
        return sum(path.stat().st_size for path in (self.scene.data / "traces").rglob("*.ecl*"))

    def answers(self, login: str) -> list[str]:
        """Return a password and a code that serves now."""
        actor = getattr(self.scene.troupe, login)
        return [actor.password, actor.code(self.scene.clock)]

    def command(self, *arguments: str, terminal: bool = False) -> list[str]:
        """Return an ssh command over alice's log-in."""
        options = [*self.mux, "-tt"] if terminal else self.mux
        return self.client.command("alice+scan01", *arguments, options=options)


@asynccontextmanager
async def started(directory: Path) -> AsyncIterator[Running]:
    """Build the scene, log alice in once, and end it all."""
    scene = await Scene.build(directory / "scene", SystemClock(), lambda _key: None)
    try:
        folder = directory / "client"
        folder.mkdir()
        key = scene.known_hosts.read_text().splitlines()[0].split(" ", 1)[1]
        client = SshClient(HOST, scene.ssh_port, key, folder)
        client.known_hosts.write_text(scene.known_hosts.read_text())
        gateway = int(json.loads((scene.data / "run" / "gateway.json").read_text())["pid"])
        mux = ["-o", f"ControlPath={folder}/mux"]
        running = Running(scene=scene, client=client, gateway=gateway, mux=mux)
        master = await client.start(
            client.command("alice+scan01", options=["-M", "-N", *mux]), answers=running.answers("alice")
        )
        try:
            await eventually((folder / "mux").exists)
            yield running
        finally:
            master.terminate()
            await master.communicate()
    finally:
        await scene.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A bastion of real processes: one for all, as they are slow to build and each test looks at growth."""
    async with started(tmp_path_factory.mktemp("pressure")) as built:
        yield built


async def still(look: Callable[[], int], seconds: float = 20.0) -> int:
    """Wait until what *look* gives has not changed for a moment, and return it."""
    async with asyncio.timeout(seconds):
        last, since = look(), time.monotonic()
        while time.monotonic() - since < STILL_SECONDS:
            await asyncio.sleep(0.02)
            if (now := look()) != last:
                last, since = now, time.monotonic()
    return last


def interrupt_a_flood(terminal: Terminal) -> float:
    """Read a flood as fast as it comes, press Ctrl-C, and return the seconds until the prompt is back."""
    master = terminal._master

    def read_until(done: Callable[[int, bytes], bool]) -> None:
        seen, tail = 0, b""
        deadline = time.monotonic() + 30
        while not done(seen, tail):
            ready, _, _ = select.select([master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, tail[-200:]
            piece = os.read(master, 65536)
            seen, tail = seen + len(piece), (tail + piece)[-4096:]

    os.write(master, b"yes\n")
    read_until(lambda seen, _tail: seen > FLOOD)
    began = time.monotonic()
    os.write(master, b"\x03")
    read_until(lambda _seen, tail: PROMPT in tail)
    return time.monotonic() - began


async def test_a_flood_is_interrupted_at_once(running: Running) -> None:
    """In the midst of a flood on the terminal Ctrl-C gives the prompt back within 0.3 s, and memory stays flat."""
    before = running.resident()
    async with running.client.terminal(running.command(terminal=True)) as terminal:
        await terminal.expect(PROMPT)
        terminal.stop_reading()
        took = min([await asyncio.to_thread(interrupt_a_flood, terminal) for _ in range(2)])
        assert took <= INTERRUPT_SECONDS
        os.write(terminal._master, b"exit\n")
        assert await terminal.wait() == 130
    assert running.resident() - before < GROWTH


async def test_a_reader_that_stops_stops_the_device(running: Running) -> None:
    """A client that reads no more holds the stream at its source: neither memory nor trace grows; then all arrives."""
    before = running.resident()
    command = running.command(f"head -c {STREAM} /dev/zero")
    process = await running.client.start(command)
    assert process.stdout is not None
    # asyncio's pipe reader stops by itself once its small buffer is full: nobody reads it yet
    taken = await process.stdout.read(1)
    await still(running.traces)
    assert running.resident() - before < GROWTH
    received = len(taken)
    while piece := await asyncio.wait_for(process.stdout.read(1 << 18), 60):
        received += len(piece)
    assert await process.wait() == 0
    assert received == STREAM
    assert running.resident() - before < GROWTH


async def test_a_client_that_freezes_costs_no_memory(running: Running) -> None:
    """A client of its own connection that is stopped in the midst of random data leaves the gateway's memory flat."""
    before = running.resident()
    command = running.client.command("bob+scan01", f"head -c {STREAM} /dev/urandom")
    process = await running.client.start(command, answers=running.answers("bob"))
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readexactly(MIB), 60)
    process.send_signal(signal.SIGSTOP)
    try:
        await still(running.traces)
        assert running.resident() - before < GROWTH
        alive = await running.client.run(running.command("echo alive"))
        assert alive.stdout == b"alive\n"
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        await process.communicate()


async def test_a_client_of_a_huge_window_costs_no_memory(running: Running) -> None:
    """Plink grants two gigabytes and then reads nothing: what it granted is not kept for it in the gateway."""
    before = running.resident()
    listed = await running.client.run(["ssh-keygen", "-lf", str(running.client.known_hosts)])
    keys = [part for line in listed.stdout.decode().splitlines() for part in ("-hostkey", line.split()[1])]
    command = ["plink", "-ssh", "-no-antispoof", *keys, "-P", str(running.scene.ssh_port)]
    command += [f"bob+scan01@{HOST}", f"head -c {STREAM} /dev/urandom | od -v"]
    async with running.client.terminal(command) as terminal:
        await log_in(terminal, running.answers("bob"))
        await terminal.expect(b"\n0001000 ")
        terminal.stop_reading()
        await still(running.traces)
        assert running.resident() - before < GROWTH


async def test_a_device_that_reads_nothing_stops_the_sender(running: Running) -> None:
    """An upload into a process that does not read is held at the client: neither memory nor trace takes it in."""
    before = running.resident()
    source = running.scene.directory / "zero"
    with source.open("wb") as made:
        made.truncate(STREAM)
    with source.open("rb") as data:
        process = await asyncio.create_subprocess_exec(
            *running.command("mkfifo fifo; read go < fifo; wc -c"),
            stdin=data,
            stdout=asyncio.subprocess.PIPE,
            env=running.client.environment(running.client.directory),
        )
        fifo = running.scene.devices["scan01"].home / "fifo"
        try:
            # the command waits for the pipe to be opened; until then nothing of its input is read
            await still(lambda: os.lseek(data.fileno(), 0, os.SEEK_CUR))
            assert os.lseek(data.fileno(), 0, os.SEEK_CUR) < STREAM // 4
            assert running.resident() - before < GROWTH
            await asyncio.to_thread(fifo.write_text, "go\n")
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            assert int(out) == STREAM
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert running.resident() - before < GROWTH
