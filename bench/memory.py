"""What an idle session holds of memory, at the bastion and at a jump host."""

import asyncio
from collections.abc import Callable

from bench.crowd import seated
from bench.ground import PROMPT, Ground, Route
from bench.processes import proportional, resident
from bench.results import Results

KIB = 1024
SETTLE_SECONDS = 3.0


async def measure(ground: Ground, results: Results, row: str, idle: int, step: Callable[[str], None]) -> None:
    """Hold *idle* sessions at the device's prompt, and divide by their number what whoever is between grew by.

    For the bastion, the resident memory of the gateway; for the jump host, the proportional share of all its
    processes, whose pages are mostly one another's.
    """
    for route in (Route.JUMP, Route.ECLUSE):
        step(f"{row}, {route.value}: seating {idle} sessions")
        async with seated([ground.entry(route)], words=(), marker=PROMPT):
            await asyncio.sleep(SETTLE_SECONDS)
            before = _held(ground, route)
            entries = [ground.entry(route) for _ in range(idle)]
            async with seated(entries, words=(), marker=PROMPT):
                await asyncio.sleep(SETTLE_SECONDS)
                results.add(row, route, (_held(ground, route) - before) / idle / KIB)
                results.add(f"{row}-all", route, _held(ground, route) / KIB / KIB)


def _held(ground: Ground, route: Route) -> int:
    if route is Route.ECLUSE:
        return resident(ground.gateway_pid)
    return proportional(ground.between(route))
