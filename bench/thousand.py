"""``python -m bench.thousand``: many idle sessions on one gateway, what they hold of its memory, and their window's end.

The gateway is this process, its databases in PostgreSQL or SQLite, its traces in a folder; clients and device are another
process, so that only the gateway's own memory and CPU are seen. People log in and jump to the device by fifty
connections each: a session for each one, which takes two files. Then the clock is moved to the end of the window, and the
alarms that were raised are told. Asserts nothing.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

import asyncssh
from sqlalchemy import Engine, event

from bench.clients import ROOT
from bench.processes import machine, resident
from bench.results import percentile
from ecluse import logs
from policy.domain.devices import AccountMethod
from policy.domain.interventions import InterventionKind
from policy.domain.people import Role
from policy.vault.secret import Secret
from tests.support import postgres
from tests.support.bastion import Bastion, running_bastion
from tests.support.hostile_device import PASSWORD, Welcoming
from tests.support.raw_client import Answering
from tests.support.waiting import eventually

JUMPS = 50
AT_ONCE = 5
"""How many people take their seats at once, each of them one seat after the other."""
LONGEST = 4800.0
SETTLE_SECONDS = 5.0
IDLE_SECONDS = 60.0
KEYS = 3
TYPING = 1000
"""How many sessions are typed in at most, beside the others."""
PAUSE_SECONDS = 20.0
"""Between two keys of one session: a thousand type 50 a second, which two cores that clients and device share can do."""
KIB = 1024
LONGEST_LINE = 1024 * KIB
"""What the crowd says on one line: an instant for each session."""


def main() -> None:
    """Measure, or be the clients and the device where the first line of standard input says so."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sessions", type=int, default=1000)
    asked.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    asked.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.crowd:
        asyncio.run(_crowd())
        return
    server = postgres.start(durable=True) if given.database == "postgresql" else None
    try:
        asyncio.run(_measure(given.sessions, server))
    finally:
        if server is not None:
            server.stop()


async def _measure(sessions: int, server: postgres.Postgres | None) -> None:
    # half an hour passes between the first line and the last
    cast(TextIOWrapper, sys.stdout).reconfigure(line_buffering=True)
    print(machine())
    logs.configure("error", sys.stderr)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a session has two files and a connection
    crowd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.thousand", "--crowd"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, limit=LONGEST_LINE,
    )  # fmt: skip
    try:
        # what had not arrived when the gateway stopped may arrive while its folder goes
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            policy, traces = (None, None) if server is None else [server.url(server.create()) for _ in "ab"]
            async with running_bastion(
                Path(folder) / "bastion",
                world_settings={"session_limit": sessions},
                database_url=policy,
                recorder_settings={} if traces is None else {"catalog_url": traces},
                max_inner_connections=JUMPS,
                idle_connection_seconds=LONGEST * 10,
            ) as bastion:
                await _seat_and_cut(bastion, crowd, sessions)
    finally:
        if crowd.returncode is None:
            crowd.kill()
        await crowd.wait()


async def _seat_and_cut(bastion: Bastion, crowd: asyncio.subprocess.Process, sessions: int) -> None:
    device = await _said(crowd)
    people = [f"camille{number}" for number in range(-(-sessions // JUMPS))]
    await _declare(bastion, device, people)
    bastion.clock.advance(timedelta(seconds=30))  # they enrolled by the code of before
    answers = [[bastion.world.passwords[login].reveal(), bastion.world.code(login)] for login in people]
    before, began, worked = resident(_own()), time.monotonic(), time.process_time()
    asked = {"port": bastion.gateway.port, "people": people, "answers": answers, "sessions": sessions}
    if crowd.stdin is None:
        raise RuntimeError("the crowd has no standard input")
    crowd.stdin.write(json.dumps(asked).encode() + b"\n")
    async with asyncio.timeout(LONGEST):
        print(await _said(crowd))
    seated, cost = time.monotonic() - began, time.process_time() - worked
    await asyncio.sleep(SETTLE_SECONDS)
    held = resident(_own()) - before
    there = bastion.gateway.sessions
    print(f"{there} sessions seated in {seated:.0f} s, {cost / there * 1000:.0f} ms of CPU each")
    print(f"memory: {held / there / KIB:.0f} KiB each, {held / KIB / KIB:.0f} MiB in all")
    rested, from_then = time.process_time(), time.monotonic()
    with counted() as statements:
        await asyncio.sleep(IDLE_SECONDS)
    rest = time.monotonic() - from_then
    idle = (time.process_time() - rested) / rest
    a_minute = len(statements) / rest * 60
    print(
        f"while all are idle: {idle * 100:.0f} % of a core, {a_minute:.0f} statements a minute of all together"
    )
    worked, began = time.process_time(), time.monotonic()
    crowd.stdin.write(b"\n")
    keys = await _said(crowd)
    typed = (time.process_time() - worked) - idle * (time.monotonic() - began)
    rate = keys / (time.monotonic() - began)
    print(f"CPU a keystroke, with its echo: {typed / keys * 1000:.2f} ms ({rate:.0f} keys a second in all)")
    window = bastion.world.window
    end = window.occurrences[0].end
    worked, began = time.process_time(), time.monotonic()
    bastion.clock.advance(end - bastion.clock.now() + timedelta(milliseconds=1))
    with counted() as statements:
        async with asyncio.timeout(LONGEST):
            closed = [at - began for at in await _said(crowd)]
            await eventually(lambda: not bastion.gateway.sessions, LONGEST)
    took = time.monotonic() - began
    parts = (1, 50, 99)
    each = ", ".join(f"{part} % in {percentile(closed, part):.1f} s" for part in parts)
    print(f"window's end, connections closed: {each}, the last in {closed[-1]:.1f} s")
    print(f"all traces signed, leases and journal written in {took:.1f} s; {len(statements)} statements")
    print(
        f"{(time.process_time() - worked) / there * 1000:.0f} ms of CPU each; {machine()['load before']} is the load now"
    )
    raised = Counter(entry.event.name for entry in await bastion.events("alarm"))
    print(f"alarms: {dict(raised) or 'none'}")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements that this process sends to its databases."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _own() -> int:
    return int(Path("/proc/self").resolve().name)


async def _said(crowd: asyncio.subprocess.Process) -> Any:
    if crowd.stdout is None:
        raise RuntimeError("the crowd has no standard output")
    return json.loads(await crowd.stdout.readline())


async def _declare(bastion: Bastion, device: dict[str, Any], people: Sequence[str]) -> None:
    world, services = bastion.world, bastion.world.services
    dsi = world.who("dsi")
    row = await services.devices.create(
        dsi, world.id, name="crowded", zone_id=world.zone.id, address="127.0.0.1", port=device["port"]
    )
    await services.devices.pin_host_key(dsi, world.id, row.id, device["host_key"])
    await services.devices.add_account(
        dsi, world.id, row.id, name="maint", method=AccountMethod.PASSWORD, secret=Secret(PASSWORD)
    )
    for login in people:
        world.people[login] = await services.people.create(
            dsi,
            world.id,
            login=login,
            full_name="Camille Petit",
            email=f"{login}.petit@imagix.example",
            roles=frozenset({Role.TECHNICIAN}),
            supplier_id=world.supplier.id,
        )
        await world.enrol(await services.people.invite(dsi, world.id, world.who(login)))
    world.window = await world.add_window(
        people=people, devices=[row.id], kind=InterventionKind.REMOTE_MONITORING
    )


# --- the other process ------------------------------------------------------------------------------------


async def _echoes(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"maint@crowded: ")
    while typed := await process.stdin.read(100):
        process.stdout.write(typed)


async def _crowd() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    device = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Welcoming,
        server_host_keys=[key],
        process_factory=_echoes,
        encoding=None,
    )
    public = key.export_public_key().decode().strip()
    print(json.dumps({"port": device.get_port(), "host_key": public}), flush=True)
    asked = json.loads(await asyncio.to_thread(sys.stdin.readline))
    common: dict[str, Any] = {"config": None, "agent_path": None, "known_hosts": None, "client_keys": None}
    seats: list[asyncssh.SSHClientConnection] = []
    shells: list[asyncssh.SSHClientProcess[bytes]] = []
    refused: list[str] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def seat(login: str, answers: list[str], count: int) -> None:
        async with turn:
            outer = await asyncssh.connect(
                "127.0.0.1",
                asked["port"],
                username=login,
                client_factory=lambda: Answering(answers),
                **common,
            )
            taken = 0
            while taken < count:
                inner = await asyncssh.connect("crowded", 22, username="maint", tunnel=outer, **common)
                process = await inner.create_process(term_type="xterm", encoding=None)
                try:
                    await process.stdout.readuntil(b"crowded: ")
                except asyncio.IncompleteReadError:  # refused: a store did not answer within its two seconds
                    refused.append(login)
                    inner.close()
                    continue
                taken += 1
                seats.append(inner)
                shells.append(process)

    async with asyncio.TaskGroup() as people:
        for number, (login, answers) in enumerate(zip(asked["people"], asked["answers"], strict=True)):
            people.create_task(seat(login, answers, min(JUMPS, asked["sessions"] - number * JUMPS)))
    print(
        json.dumps(f"{len(seats)} clients are at the device's prompt; {len(refused)} were refused before"),
        flush=True,
    )
    await asyncio.to_thread(sys.stdin.readline)
    echoed = await asyncio.gather(
        *(_type(shell, number / TYPING) for number, shell in enumerate(shells[:TYPING]))
    )
    print(json.dumps(sum(echoed)), flush=True)
    print(json.dumps(sorted(await asyncio.gather(*(_gone(seat) for seat in seats)))), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def _gone(seat: asyncssh.SSHClientConnection) -> float:
    """Wait until the connection is closed; return when, by the clock that all processes share."""
    await seat.wait_closed()
    return time.monotonic()


async def _type(shell: asyncssh.SSHClientProcess[bytes], late: float) -> int:
    """Type one key after the other, beginning *late* by a part of a pause, and wait for each echo; return how many came."""
    await asyncio.sleep(PAUSE_SECONDS * late)
    for _ in range(KEYS):
        shell.stdin.write(b"x")
        await shell.stdout.readexactly(1)
        await asyncio.sleep(PAUSE_SECONDS)
    return KEYS


if __name__ == "__main__":
    main()
