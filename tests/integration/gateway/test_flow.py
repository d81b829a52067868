"""Back-pressure from end to end: memory is bounded by windows, and an interrupt is seen at once."""

import asyncio
import signal
import time

import pytest

from tests.support.bastion import Bastion
from tests.support.memory import ROOM, resident
from tests.support.waiting import eventually, steady

pytestmark = pytest.mark.integration


async def test_a_stopped_reader_stops_the_device(bastion: Bastion) -> None:
    """When the person reads nothing, the device's endless output stops, and memory and trace stay flat."""
    command = bastion.client.command("alice+scan01", "echo in; exec cat /dev/zero")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    await process.stdout.readexactly(4_000_000)
    process.send_signal(signal.SIGSTOP)
    (recording,) = bastion.recorder._live
    before = resident()

    await steady(lambda: recording.writer.offset)
    assert recording.pending_bytes == 0
    assert resident() - before < ROOM
    process.kill()
    process.send_signal(signal.SIGCONT)
    await process.communicate()


async def test_a_stopped_device_stops_the_person(bastion: Bastion) -> None:
    """When the process on the device reads nothing, an endless input stops, and memory stays flat."""
    command = bastion.client.command("alice+scan01", "echo in; sleep 600")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert process.stdin is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    before = resident()
    sent = 0
    chunk = b"\0" * 1_000_000
    try:
        async with asyncio.timeout(60):
            while sent < 200_000_000:
                process.stdin.write(chunk)
                await asyncio.wait_for(process.stdin.drain(), 1.0)
                sent += len(chunk)
    except TimeoutError:
        pass
    assert sent < 30_000_000
    assert resident() - before < ROOM
    process.kill()
    await process.wait()


async def test_a_long_stream_passes_in_little_memory(bastion: Bastion) -> None:
    """A stream far larger than memory should be held flows through in bounded memory."""
    command = bastion.client.command("alice+scan01", "head -c 100000000 /dev/zero")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    passed, before, most = 0, 0, 0
    while piece := await asyncio.wait_for(process.stdout.read(1 << 20), 60):
        passed += len(piece)
        if passed > 20_000_000:
            before = before or resident()
            most = max(most, resident())
    await process.communicate()
    assert passed == 100_000_000
    assert most - before < ROOM


@pytest.mark.alone
async def test_an_interrupt_is_seen_in_a_flood(bastion: Bastion) -> None:
    """Ctrl-C stops a `yes` on a terminal within 0.3 seconds, at the median of several tries."""
    command = bastion.client.command("alice+scan01", options=["-tt"])
    async with bastion.client.terminal(command, answers=bastion.answers()) as terminal:
        await terminal.expect(b"maint@scan01")
        taken = []
        for _ in range(5):
            terminal.seen = b""
            terminal._looked = 0
            terminal.send(b"yes\n")
            await terminal.expect(b"y\r\n" * 20000)
            started = time.monotonic()
            terminal.send(b"\x03")
            await terminal.expect(b"^C")
            taken.append(time.monotonic() - started)
            await terminal.expect(b"maint@scan01")
        assert sorted(taken)[2] < 0.3, taken
        terminal.send(b"exit\n")
        await terminal.wait()


async def test_a_slow_disk_slows_the_stream_and_holds_little(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the recorder is behind, the device is held: what waits for the disk stays small."""
    command = bastion.client.command("alice+scan01", "echo in; exec cat /dev/zero")
    process = await bastion.client.start(command, answers=bastion.answers())
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    (recording,) = bastion.recorder._live
    write = recording.writer.write
    most = 0

    def slowly(batch: object) -> None:
        nonlocal most
        most = max(most, recording.pending_bytes)
        time.sleep(0.05)
        write(batch)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(recording.writer, "write", slowly)
    start = recording.writer.sequence
    reading = asyncio.ensure_future(process.stdout.readexactly(3_000_000))
    await eventually(lambda: recording.writer.sequence > start + 10)
    assert most < 4 * 256 * 1024
    reading.cancel()
    process.kill()
    await process.communicate()  # a full pipe that nobody reads would hide the end from wait()
