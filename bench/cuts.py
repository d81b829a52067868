"""``python -m bench.cuts [SESSIONS]``: a general cut, from its commit until each technician's ssh has ended.

Real ssh, one connection and one terminal a session, through a gateway in this process to a real sshd.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.support.bastion import Bastion, make_gateway, running_bastion
from tests.support.ssh_client import Terminal

SESSIONS = 50
AT_ONCE = 3
POLL_SECONDS = 0.5
"""How often a gateway asks for changes unless its settings say otherwise."""


async def seat(bastion: Bastion, number: int, stack: AsyncExitStack, turn: asyncio.Semaphore) -> Terminal:
    """Log in, and wait for the prompt."""
    async with turn:
        command = bastion.client.command("alice+scan01", options=["-tt"])
        terminal = await stack.enter_async_context(
            bastion.client.terminal(command, answers=bastion.answers())
        )
        await terminal.expect(b"maint@scan01", 60)
        print(f"\r{number + 1} sessions", end="", file=sys.stderr, flush=True)
        return terminal


async def cut(bastion: Bastion, sessions: int) -> tuple[float, list[float]]:
    """Return the seconds that the commit took, and those from it until each client had ended, sorted."""
    world, turn = bastion.world, asyncio.Semaphore(AT_ONCE)
    async with AsyncExitStack() as stack:
        terminals = [await seat(bastion, number, stack, turn) for number in range(sessions)]
        begun = time.monotonic()
        await world.services.revocations.cut_everything(world.who("rssi"), world.id, "bench")
        committed = time.monotonic()

        async def over(terminal: Terminal) -> float:
            await terminal.wait(60)
            return time.monotonic() - committed

        return committed - begun, sorted(await asyncio.gather(*map(over, terminals)))


async def measured(sessions: int) -> None:
    """Measure, and print one row."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"session_limit": sessions + 1}
        async with running_bastion(
            Path(folder), world_settings=settings, poll_seconds=POLL_SECONDS
        ) as bastion:
            # the fixture's idle time follows its clock, which each log-in moves on
            first, port = bastion.gateway, bastion.gateway.port
            await first.stop()
            bastion.gateway = make_gateway(bastion, replace(first.settings, port=port), time.monotonic)
            await bastion.gateway.start()
            commit, found = await cut(bastion, sessions)
    print(
        f"\rgeneral cut, {sessions} sessions: commit {commit:.3f} s, then the first client ended after {found[0]:.3f} s, "
        f"p50 {found[len(found) // 2]:.3f} s, the last {found[-1]:.3f} s"
    )


if __name__ == "__main__":
    asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS))
