"""One noisy session takes nothing from the others, and is cut as fast as a silent one."""

import asyncio
import time
from pathlib import Path

import pytest

from policy.domain.access import RevocationScope
from tests.support.bastion import Bastion, output
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.alone]

CUT_SECONDS = 2.0
LINES = "i=0; while :; do echo line $i; i=$((i+1)); done"
BYTES = "while :; do echo -n o; echo -n e >&2; done"


async def flooding(bastion: Bastion, script: str, target: Path) -> asyncio.subprocess.Process:
    """Start a client whose command floods *target*, and wait until the flood flows."""
    with target.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *bastion.client.command("alice+scan01", script),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=asyncio.subprocess.DEVNULL,
            env=bastion.client.environment(bastion.client._answers(bastion.answers())),
            start_new_session=True,
        )
    await eventually(lambda: target.stat().st_size > 20_000)
    return process


def in_line() -> float:
    """Return for how many seconds this process' loop has waited for a processor that others had (proc(5), schedstat)."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


@pytest.mark.parametrize("script", [LINES, BYTES], ids=["lines", "bytes of both streams"])
async def test_a_flood_of_small_writes_is_cut_in_two_seconds(
    bastion: Bastion, tmp_path: Path, script: str
) -> None:
    """A process that writes line by line as fast as it can is cut in time, for the cut's own reason.

    Three floods may be cut: a machine that others keep busy is late now and then, a gateway that is slow is always. Client
    and device are on the same processors here: while they have them, it is not the gateway that is slow.
    """
    taken: list[float] = []
    while not taken or (min(taken) > CUT_SECONDS and len(taken) < 3):
        process = await flooding(bastion, script, tmp_path / f"flood-{len(taken)}")
        await bastion.world.services.revocations.cut(
            bastion.world.who("rssi"), bastion.world.id, RevocationScope.ALL, "", "Trop de bruit"
        )
        # the console that commits a cut is another process: it waits for no flood
        started, waited = time.monotonic(), in_line()
        assert await asyncio.wait_for(process.wait(), 60) == 255
        taken.append(time.monotonic() - started - (in_line() - waited))
        await eventually(lambda: not bastion.device.processes())
        await bastion.closed()
    assert min(taken) <= CUT_SECONDS, taken
    closed = await bastion.events("session.closed")
    assert [dict(entry.event.details)["reason"] for entry in closed] == ["cut"] * len(taken)
    assert await bastion.events("alarm") == []


async def test_a_flood_leaves_the_others_their_echo(bastion: Bastion, tmp_path: Path) -> None:
    """Beside a flood of lines another session's keystrokes are echoed at once, and the flood's trace is exact."""
    command = bastion.client.command("alice+scan01", "echo in; cat")
    other = await bastion.client.start(command, answers=bastion.answers())
    assert other.stdin is not None
    assert other.stdout is not None
    assert await asyncio.wait_for(other.stdout.readline(), 60) == b"in\n"
    target = tmp_path / "flood"
    process = await flooding(bastion, LINES, target)
    taken = []
    for number in range(20):
        started = time.monotonic()
        other.stdin.write(b"%d\n" % number)
        assert await asyncio.wait_for(other.stdout.readline(), 60) == b"%d\n" % number
        taken.append(time.monotonic() - started)
    process.terminate()
    await process.wait()
    await other.communicate(b"")
    assert sorted(taken)[10] < 0.5, taken
    await bastion.closed()
    shown = target.read_bytes()
    recorded = [output(await bastion.frames(session)) for session in bastion.sessions()]
    whole = any(one.startswith(shown) for one in recorded)  # apart: megabytes make no readable message
    assert whole
