"""``python -m bench.presence``: who was on a device at an instant, over a million sessions, on SQLite and PostgreSQL.

Prints a table of milliseconds and, with --explain, how each database goes about it; asserts nothing. Sessions are made
up: three years, 300 devices of which one takes every tenth session, 200 people of 15 suppliers; one in fifty lasts days.
"""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import insert, text
from sqlalchemy.dialects import postgresql, sqlite

from bench.results import percentile
from recorder.store import presence
from recorder.store.database import Database, migrate
from recorder.store.headers import columns_of
from recorder.store.presence import Period, present
from recorder.store.tables import sessions_closed, sessions_opened
from recorder.trace.header import TraceHeader
from tests.support import postgres

HOSPITAL = "0" * 32
BEGIN = datetime(2023, 11, 1, tzinfo=UTC)
YEARS = timedelta(days=1095)
BATCH = 2000
TICK = timedelta(microseconds=1)
CHANCE = random.Random(4)


def header(number: int, started: datetime) -> TraceHeader:
    """Return the header of one made-up session."""
    person, supplier = CHANCE.randrange(200), CHANCE.randrange(15)
    device = 0 if CHANCE.random() < 0.1 else CHANCE.randrange(300)
    return TraceHeader(
        session_id=f"{number:032x}",
        hospital_id=HOSPITAL,
        node=f"node{number % 4}",
        started_at=started,
        person={"id": f"p{person}", "login": f"person{person}", "full_name": f"Person {person}"},
        supplier={"id": f"s{supplier}", "name": f"Supplier {supplier}"},
        device={"id": f"d{device}", "name": f"device{device}", "address": "10.1.2.3", "port": 22},
        account="maint",
        intervention={"id": "i" * 32, "kind": "maintenance", "purpose": "Vérification trimestrielle du tube"},
        window={"id": "w" * 32, "start": "2026-03-29T00:00:00.000000Z", "end": "2026-03-29T04:00:00.000000Z"},
        factors=["password", "totp"],
        source="192.0.2.7",
        decision={
            "channels": ["shell", "sftp-up"],
            "idle_seconds": 900,
            "rules": ["O3", "C6", "T9", "T10", "T11"],
        },
        client_version="SSH-2.0-OpenSSH_9.2",
    )


def rows(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Give each session's opening and end; of the last few, no end."""
    for number in range(count):
        started = BEGIN + YEARS * (number / count) + timedelta(seconds=CHANCE.randrange(60))
        one = header(number, started)
        opened = {**columns_of(one), "header": one.to_json().decode()}
        if number >= count - 50:
            yield opened, None
            continue
        days = CHANCE.random() < 0.02
        lasted = timedelta(days=CHANCE.uniform(1, 30)) if days else timedelta(minutes=CHANCE.uniform(1, 180))
        yield opened, {
            "hospital_id": HOSPITAL, "session_id": one.session_id, "closed_at": started + lasted,
            "end_reason": "client_left", "interrupted": False, "records": 100, "size": 50_000, "trimmed_bytes": 0,
            "manifest_sha256": "0" * 64, "signer": "0" * 16, "lasted": lasted // TICK,
        }  # fmt: skip


async def fill(database: Database, count: int, name: str) -> None:
    """Put *count* sessions into *database*."""
    pending: list[tuple[dict[str, Any], dict[str, Any] | None]] = []

    async def flush() -> None:
        async with database.write() as connection:
            await connection.execute(insert(sessions_opened), [opened for opened, _ in pending])
            ended = [closed for _, closed in pending if closed is not None]
            if ended:
                await connection.execute(insert(sessions_closed), ended)
        pending.clear()

    for row in track(rows(count), f"{name}: {count:,} sessions", total=count, console=Console(stderr=True)):
        pending.append(row)
        if len(pending) == BATCH:
            await flush()
    if pending:
        await flush()
    # what PostgreSQL's own autovacuum has done to rows of months; VACUUM runs in no transaction
    tidy = "VACUUM ANALYZE" if database.dialect == "postgresql" else "ANALYZE"
    async with database.bare() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.execute(text(tidy))


def questions(count: int) -> dict[str, list[Period]]:
    """Return what is asked, by kind."""
    chance = random.Random(9)
    bases = [
        Period(hospital_id=HOSPITAL, since=BEGIN + YEARS * chance.uniform(0.05, 0.999)) for _ in range(count)
    ]

    def asked(**whom: str) -> list[Period]:
        return [replace(base, **whom) for base in bases]  # type: ignore[arg-type]  # names of its fields

    return {
        "a device at an instant": asked(device_id="d42"),
        "the busiest device at an instant": asked(device_id="d0"),
        "a person at an instant": asked(person_id="p7"),
        "a supplier at an instant": asked(supplier_id="s3"),
        "everybody at an instant": asked(),
        "a device within a day": [
            replace(one, until=one.since + timedelta(days=1)) for one in asked(device_id="d42")
        ],
    }


@asynccontextmanager
async def databases() -> AsyncIterator[dict[str, str]]:
    """Give the URLs of an empty database of each kind."""
    with TemporaryDirectory() as folder:
        found = {"SQLite": f"sqlite:///{folder}/traces.db"}
        server = postgres.Postgres(binaries) if (binaries := postgres.find_binaries()) else None
        if server is not None:
            found["PostgreSQL"] = server.url(server.create())
        try:
            yield found
        finally:
            if server is not None:
                server.stop()


async def explain(database: Database, period: Period) -> str:
    """Return how *database* goes about one question."""
    dialects: dict[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}
    dialect = dialects[database.dialect].dialect()
    word = "EXPLAIN (ANALYZE, BUFFERS)" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    told: list[str] = []
    async with database.read() as connection:
        for query in (presence.usual_ones(period).limit(501), *presence.namings(period)):
            compiled = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            told += [" ".join(map(str, row)) for row in await connection.execute(text(f"{word} {compiled}"))]
    return "\n".join(told)


async def measure(count: int, asked: int, *, explained: bool) -> Table:
    """Fill both databases and ask."""
    table = Table(title=f"Who was there, {count:,} sessions, {asked} questions: ms, median / 99th percentile")
    table.add_column("question")
    figures: dict[str, list[str]] = {kind: [] for kind in questions(1)}
    async with databases() as urls:
        for name, url in urls.items():
            table.add_column(name, justify="right")
            await migrate(url)
            database = Database(url)
            try:
                await fill(database, count, name)
                for kind, periods in questions(asked).items():
                    spent = []
                    for period in periods:
                        started = time.perf_counter()
                        await present(database, period)
                        spent.append((time.perf_counter() - started) * 1000)
                    figures[kind].append(f"{percentile(spent, 50):.1f} / {percentile(spent, 99):.1f}")
                    if explained:
                        sys.stderr.write(f"--- {name}: {kind}\n{await explain(database, periods[0])}\n")
            finally:
                await database.dispose()
    for kind, values in figures.items():
        table.add_row(kind, *values)
    return table


def main(
    sessions: Annotated[int, typer.Option(help="How many sessions there are.")] = 1_000_000,
    asked: Annotated[int, typer.Option(help="How often each question is asked.")] = 50,
    explained: Annotated[bool, typer.Option("--explain", help="Show each database's plan.")] = False,
) -> None:
    """Print the table.

    Example: python -m bench.presence --sessions 100000 --explain
    """
    Console().print(asyncio.run(measure(sessions, asked, explained=explained)))


if __name__ == "__main__":
    typer.run(main)
