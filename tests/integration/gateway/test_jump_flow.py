"""Back-pressure through two connections, one inside the other: whoever stops reading makes nothing grow."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from tests.support.bastion import Bastion
from tests.support.dialogue import log_in
from tests.support.jump import Laptop, save_putty_session
from tests.support.memory import ROOM, resident
from tests.support.waiting import steady

pytestmark = pytest.mark.integration

FLOOD = "echo in; exec cat /dev/zero"


async def settles(bastion: Bastion) -> None:
    """Wait until the one live trace grows no more, and nothing of it waits for the disk."""
    (recording,) = bastion.recorder._live
    await steady(lambda: (recording.writer.offset, recording.pending_bytes))
    assert recording.pending_bytes == 0


@pytest.mark.parametrize("whole", [True, False], ids=["both hops", "the inner client"])
async def test_a_stopped_client_stops_the_device(bastion: Bastion, whole: bool) -> None:
    """Ssh -J is stopped, alone or with the ssh that carries it: the device's flood stops, and memory stays flat."""
    process = await bastion.client.start(
        Laptop(bastion).ssh("maint@scan01", FLOOD), answers=bastion.answers()
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"in\n"
    await asyncio.wait_for(process.stdout.readexactly(4_000_000), 60)
    tell: Callable[[int, int], None] = os.killpg if whole else os.kill
    tell(process.pid, signal.SIGSTOP)
    before = resident()
    await settles(bastion)
    assert resident() - before < ROOM
    os.killpg(process.pid, signal.SIGCONT)
    os.killpg(process.pid, signal.SIGKILL)
    await process.communicate()


async def test_a_client_that_grants_everything_and_reads_nothing(bastion: Bastion) -> None:
    """PuTTY carries both hops in one process and grants 2 GiB: what TCP does not take is not buffered for it."""
    save_putty_session(bastion)
    command = ["plink", "-no-antispoof", "-load", "scan01", "exec yes"]  # it drops what is no text
    async with bastion.client.terminal(command) as terminal:
        await log_in(terminal, bastion.answers())
        await terminal.expect(b"y\n" * 1000)
        pid = terminal.process.pid  # setsid has become plink
        os.kill(pid, signal.SIGSTOP)
        before = resident()
        await settles(bastion)
        assert resident() - before < ROOM
        os.kill(pid, signal.SIGKILL)
