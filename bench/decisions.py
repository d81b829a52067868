"""``python -m bench.decisions``: how long a decision takes on a PostgreSQL as large as a region's, and its queries.

Forty hospitals by default, with 20,000 people, 10,000 devices and 200,000 windows of two years, one in twenty of which
recurs weekly. Half of the questions are of people in a window that is open now, half of anybody for any device. Needs
PostgreSQL's programs; makes and removes a server of its own. Asserts nothing.
"""

import argparse
import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.processes import machine
from bench.results import percentile
from ecluse import database_roles
from policy.clock import SystemClock
from policy.domain.access import AccessRequest, Grant
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Factor
from policy.services import Services
from tests.support import postgres
from tests.support.policy_world import make_world

WARM = 200
SUPPLIERS = 10
"""In each hospital."""
LIVE = 200
"""Sessions that are asked about again together: what one gateway does at each change."""

_CLONES = {
    "hospitals": ("md5('h' || n)", "generate_series(1, :hospitals) n", {"name": "'CH ' || n"}),
    "suppliers": (
        "md5(h.id || 's' || n)",
        "all_hospitals h, generate_series(1, :suppliers) n",
        {"hospital_id": "h.id", "name": "'Imagix ' || n"},
    ),
    "zones": ("md5(h.id || 'z')", "all_hospitals h", {"hospital_id": "h.id"}),
    "people": (
        "md5(h.id || 'p' || n)",
        "all_hospitals h, generate_series(1, :people) n",
        {
            "hospital_id": "h.id",
            "login": "'camille' || n",
            "email": "'camille' || n || '@imagix.example'",
            "supplier_id": "md5(h.id || 's' || 1 + n % :suppliers)",
        },
    ),
    "devices": (
        "md5(h.id || 'd' || n)",
        "all_hospitals h, generate_series(1, :devices) n",
        {"hospital_id": "h.id", "zone_id": "md5(h.id || 'z')", "name": "'scan' || n"},
    ),
    "accounts": (
        "md5(d.id || 'a')",
        "devices d WHERE d.name <> 'scan01'",
        {"hospital_id": "d.hospital_id", "device_id": "d.id"},
    ),
    "interventions": (
        "md5(h.id || 'i' || n)",
        "all_hospitals h, generate_series(1, :windows) n",
        {
            "hospital_id": "h.id",
            "supplier_id": "md5(h.id || 's' || 1 + n % :suppliers)",
            "requested_by": "md5(h.id || 'p1')",
        },
    ),
    "windows": (
        "md5(h.id || 'w' || n)",
        "all_hospitals h, generate_series(1, :windows) n",
        {
            "hospital_id": "h.id",
            "intervention_id": "md5(h.id || 'i' || n)",
            "requested_by": "md5(h.id || 'p1')",
            "approved_by": "md5(h.id || 'p2')",
        },
    ),
}
"""What is multiplied out of the fixture hospital's own rows: table, new id, how many, and which columns differ."""

_LINKS = """
INSERT INTO account_secrets (hospital_id, account_id, sealed, fingerprint)
    SELECT a.hospital_id, a.id, s.sealed, md5(a.id) || md5(a.hospital_id) FROM accounts a, account_secrets s
    WHERE NOT EXISTS (SELECT 1 FROM account_secrets o WHERE o.account_id = a.id);
INSERT INTO device_groups (hospital_id, device_id, name)
    SELECT hospital_id, id, 'imagerie' FROM devices d
    WHERE NOT EXISTS (SELECT 1 FROM device_groups o WHERE o.device_id = d.id);
INSERT INTO window_people (hospital_id, window_id, person_id)
    SELECT h.id, md5(h.id || 'w' || n), md5(h.id || 'p' || n % :suppliers + :suppliers * (1 + (n * 7 + k * (1 + n % 13)) % (:people / :suppliers - 1)))
    FROM all_hospitals h, generate_series(1, :windows) n, generate_series(0, 1) k;
INSERT INTO window_devices (hospital_id, window_id, device_id)
    SELECT h.id, md5(h.id || 'w' || n), md5(h.id || 'd' || 1 + (n * 11 + k * (1 + n % 17)) % :devices)
    FROM all_hospitals h, generate_series(1, :windows) n, generate_series(0, 1) k;
INSERT INTO occurrences (hospital_id, id, window_id, start_at, end_at)
    SELECT h.id, md5(h.id || 'o' || n || '/' || k), md5(h.id || 'w' || n), at, at + interval '4 hours'
    FROM all_hospitals h, generate_series(1, :windows) n, generate_series(0, CASE WHEN n % 20 = 0 THEN 51 ELSE 0 END) k,
    LATERAL (SELECT now() - interval '2 hours' - interval '700 days' * ((n % 997) / 997.0)
             + interval '1 hour' * (n % 40) + interval '7 days' * k AS at) placed;
ANALYZE
"""


def main() -> None:
    """Measure, and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--hospitals", type=int, default=40)
    asked.add_argument("--people", type=int, default=20_000, help="of all hospitals together")
    asked.add_argument("--devices", type=int, default=10_000, help="of all hospitals together")
    asked.add_argument("--windows", type=int, default=200_000, help="of all hospitals together")
    asked.add_argument("--asked", type=int, default=2000, help="decisions timed")
    asked.add_argument("--explain", action="store_true", help="show PostgreSQL's plans of one decision")
    asyncio.run(_measure(asked.parse_args()))


async def _measure(asked: argparse.Namespace) -> None:
    server = postgres.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            url = server.url(server.create())
            world = await make_world(url, SystemClock(), keyring_directory=Path(folder) / "keyring")
            try:
                async with database_roles.connected(url) as connection:
                    await _fill(connection, asked)
                    questions = await _questions(connection, asked.asked + WARM)
                await _ask(world.services, questions, explain=url if asked.explain else None)
            finally:
                await world.close()
    finally:
        server.stop()


async def _fill(connection: AsyncConnection, asked: argparse.Namespace) -> None:
    """Multiply the fixture hospital's rows; the hospital itself stays out of the questions."""
    counts = {"hospitals": asked.hospitals, "suppliers": SUPPLIERS}
    counts |= {name: getattr(asked, name) // asked.hospitals for name in ("people", "devices", "windows")}
    began = time.monotonic()
    for table, (new_id, source, other) in _CLONES.items():
        found = await connection.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = :name"),
            {"name": table},
        )
        values = {name: f"t.{name}" for (name,) in found} | {"id": new_id} | other
        query = f"""
            WITH all_hospitals AS (SELECT md5('h' || n) AS id FROM generate_series(1, :hospitals) n)
            INSERT INTO {table} ({", ".join(values)}) SELECT {", ".join(values.values())}
            FROM (SELECT * FROM {table} {"WHERE login = 'alice'" if table == "people" else ""} LIMIT 1) t, {source}
        """  # noqa: S608 - the names are this module's
        await connection.execute(text(query), _used(query, counts))
    await connection.execute(
        text("CREATE TEMP TABLE all_hospitals AS SELECT md5('h' || n) AS id FROM generate_series(1, :n) n"),
        {"n": asked.hospitals},
    )
    for query in _LINKS.split(";"):
        await connection.execute(text(query), _used(query, counts))
    await connection.commit()
    rows = (await connection.execute(text("SELECT count(*) FROM occurrences"))).scalar_one()
    print(f"filled in {time.monotonic() - began:.0f} s: {rows} occurrences of {asked.windows} windows")


def _used(query: str, counts: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in counts.items() if f":{name}" in query}


async def _questions(connection: AsyncConnection, count: int) -> list[AccessRequest]:
    """Return who asks for what: by turns somebody in an open window, and anybody for anything."""
    opened = text("""
        SELECT o.hospital_id, p.person_id, d.name FROM occurrences o
        JOIN window_people p ON p.window_id = o.window_id JOIN window_devices w ON w.window_id = o.window_id
        JOIN devices d ON d.id = w.device_id WHERE now() BETWEEN o.start_at AND o.end_at - interval '1 hour'
    """)
    anybody = text("""
        SELECT p.hospital_id, p.id, 'scan' || 1 + (random() * 200)::int
        FROM people p TABLESAMPLE SYSTEM (20) WHERE login LIKE 'camille%'
    """)
    there, any_of_them = [(await connection.execute(query)).all() for query in (opened, anybody)]
    print(f"{len(there)} pairs of person and device are in an open window")
    chosen = [random.choice((there, any_of_them)[number % 2]) for number in range(count)]
    return [_question(*each) for each in chosen]


def _question(hospital: str, person: str, device: str) -> AccessRequest:
    return AccessRequest(
        hospital_id=HospitalId(hospital),
        person_id=PersonId(person),
        device_name=device,
        account_name=None,
        source="127.0.0.1",
        factors=frozenset({Factor.PASSWORD, Factor.TOTP}),
    )


async def _ask(services: Services, questions: Sequence[AccessRequest], explain: str | None) -> None:
    counted: list[str] = []
    parameters: list[Any] = []

    def count(_c: object, _u: object, statement: str, given: Any, *_rest: object) -> None:
        counted.append(statement)
        parameters.append(given)

    event.listen(Engine, "before_cursor_execute", count)
    took: list[float] = []
    cpu: list[float] = []
    queries: list[float] = []
    grants: list[Grant] = []
    for number, question in enumerate(questions):
        counted.clear()
        parameters.clear()
        began, worked = time.perf_counter(), time.process_time()
        answer = await services.access.decide(question)
        if number >= WARM:
            took.append((time.perf_counter() - began) * 1000)
            cpu.append((time.process_time() - worked) * 1000)
            queries.append(len(counted))
        if isinstance(answer, Grant):
            grants.append(answer)
    if explain is not None:
        await _explain(explain, list(zip(counted, parameters, strict=True)))
    _tell(f"decision, {len(grants)} of {len(questions)} granted", took, queries)
    _tell("of which CPU of this process", cpu, [])
    live = await _live(services, grants)
    again: list[float] = []
    for _ in range(20):
        began = time.perf_counter()
        await services.access.recheck(live)
        again.append((time.perf_counter() - began) * 1000)
    _tell(f"all {len(live)} live grants of one gateway asked again", again, [])
    event.remove(Engine, "before_cursor_execute", count)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M}, {machine()}")


async def _live(services: Services, grants: Sequence[Grant]) -> list[Grant]:
    """Return as many grants of one hospital as a busy gateway holds."""
    (hospital, _), *_rest = Counter(grant.hospital_id for grant in grants).most_common(1)
    asked = [(grant.person_id, grant.device_name) for grant in grants if grant.hospital_id == hospital]
    found: list[Grant] = []
    for person, device in itertools.islice(itertools.cycle(asked), LIVE):
        answer = await services.access.decide(_question(hospital, person, device))
        if isinstance(answer, Grant):
            found.append(answer)
    return found


def _tell(what: str, took: Sequence[float], queries: Sequence[float]) -> None:
    each = ", ".join(f"p{rank} {percentile(took, rank):.2f}" for rank in (50, 90, 99))
    asked = f"; queries: {percentile(queries, 50):.0f}, most {max(queries):.0f}" if queries else ""
    print(f"{what}: {each}, most {max(took):.2f} ms{asked}")


async def _explain(url: str, statements: Sequence[tuple[str, Any]]) -> None:
    async with database_roles.connected(url) as connection:
        for statement, given in statements:
            plan = await connection.exec_driver_sql(f"EXPLAIN ANALYZE {statement}", given)
            print("\n".join(str(line) for (line,) in plan), end="\n\n")


if __name__ == "__main__":
    main()
