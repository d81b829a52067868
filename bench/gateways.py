"""``python -m bench.gateways``: one gateway process, then two, behind HAProxy on one PostgreSQL and one bucket.

Log-ins a second (password and code, then a command that does nothing), throughput of two sessions at once, and how long
nobody gets in after one of the gateways was killed. Clients, device, balancer, database and store are on the same
machine, and take their part of its cores. Needs HAProxy and PostgreSQL. Asserts nothing.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.processes import cpu_seconds, machine
from tests.support.cluster import NODES, Cluster, cluster

AT_ONCE = 8
MIB = 1 << 20


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--logins", type=int, default=48)
    asked.add_argument("--mebibytes", type=int, default=256, help="that each of two sessions reads")
    asked.add_argument("--kills", type=int, default=5)
    asyncio.run(_measure(asked.parse_args()))


async def _measure(asked: argparse.Namespace) -> None:
    print(machine())
    rounds = 2 * asked.logins + 4 + 2 * asked.kills
    people = [f"camille{number}" for number in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        async with cluster(Path(folder), people, direct=True) as house:
            crowd = iter(people)
            for alone in (True, False):
                await _only(house, NODES[:1] if alone else NODES)
                named = "one gateway" if alone else "two gateways"
                before = _cpu(house)
                rate = await _logins(house, [next(crowd) for _ in range(asked.logins)])
                spent = (_cpu(house) - before) / asked.logins * 1000
                print(f"{named}: {rate:.1f} log-ins a second, {AT_ONCE} at once; {spent:.0f} ms of CPU each")
                speed = await _throughput(house, [next(crowd), next(crowd)], asked.mebibytes)
                print(f"{named}: {speed:.0f} MiB/s by two sessions at once")
            gaps = [await _failover(house, [next(crowd), next(crowd)]) for _ in range(asked.kills)]
            each = ", ".join(f"{gap:.2f}" for gap in gaps)
            print(f"after kill -9 somebody is in again in {statistics.median(gaps):.2f} s ({each})")


async def _only(house: Cluster, nodes: Sequence[str]) -> None:
    """Let those of the gateways run, and no other."""
    for node in NODES:
        if (node in nodes) is not house.runs(node):
            await (house.start(node) if node in nodes else house.kill(node))
    await asyncio.sleep(3)  # until the balancer has seen it


def _cpu(house: Cluster) -> float:
    return cpu_seconds(house.pid(node) for node in NODES if house.runs(node))


async def _logins(house: Cluster, people: Sequence[str]) -> float:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(login: str) -> None:
        async with turn:
            await _done(house, login, "true")

    began = time.perf_counter()
    await asyncio.gather(*(one(login) for login in people))
    return len(people) / (time.perf_counter() - began)


async def _throughput(house: Cluster, people: Sequence[str], mebibytes: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_done(house, login, f"head -c {mebibytes * MIB} /dev/zero") for login in people))
    return len(people) * mebibytes / (time.perf_counter() - began)


async def _done(house: Cluster, login: str, command: str) -> None:
    client = house.client
    running = await client.start(client.command(f"{login}+scan01", command), answers=house.answers(login))
    while running.stdout is not None and await running.stdout.read(MIB):
        pass
    if await running.wait():
        raise RuntimeError(await running.stderr.read() if running.stderr is not None else command)


async def _failover(house: Cluster, people: Sequence[str]) -> float:
    """Kill the gateway that the next connection would go to, and return how long a log-in begun then takes."""
    began = time.perf_counter()
    await _done(house, people[0], "true")
    usual = time.perf_counter() - began
    killed = NODES[0]
    await house.kill(killed)
    began = time.perf_counter()
    await _done(house, people[1], "true")
    took = time.perf_counter() - began
    await house.start(killed)
    await asyncio.sleep(3)  # until the balancer has seen it
    print(f"  a log-in took {usual:.2f} s before, {took:.2f} s begun right after the kill")
    return took


if __name__ == "__main__":
    main()
