"""The whole run: what is asked for, in which order, with what progress, and how it is shown."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bench import bulk, echo, logins, memory, strangers
from bench.errors import BenchError
from bench.ground import CIPHER, ECLUSE_ALONE, By, Ground, ground
from bench.processes import machine
from bench.results import Results
from ecluse.demo.errors import DemoError


class Choice(Enum):
    """The rows one may ask for; those of CPU come with their transfers."""

    DOWN = "down"
    UP = "up"
    NOISE = "noise"
    GET = "get"
    PUT = "put"
    JUMP_DOWN = "jump-down"
    JUMP_NOISE = "jump-noise"
    LOGIN_PASSWORD = "login-password"  # noqa: S105 - a row's name
    LOGIN_KEY = "login-key"
    RATE_PASSWORD = "rate-password"  # noqa: S105 - a row's name
    RATE_KEY = "rate-key"
    RATE_TOKEN = "rate-token"  # noqa: S105 - a row's name
    RATE_CERTIFICATE = "rate-certificate"
    RATE_SECURITY_KEY = "rate-security-key"
    ECHO = "echo"
    BUSY = "busy"
    SLOW = "slow"
    MUTE = "mute"
    KNOCK = "knock"
    MEMORY = "memory"


JUMPS = tuple(f"{bulk.BY_JUMP}{row}" for row in ("down", "noise"))
WAYS = tuple(way.value for way in strangers.Way)
ALONE = tuple(f"rate-{by.value}" for by in By if by in ECLUSE_ALONE)
RATED = 4
"""How many log-ins a second are counted over, for each one that is timed alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything: *size* in bytes a transfer; the rest are counts."""

    rows: tuple[str, ...]
    size: int
    rounds: int
    logins: int
    strokes: int
    busy: int
    idle: int
    slow: int

    @property
    def people(self) -> int:
        """How many log-ins there are through the bastion: each needs a code of its own."""
        needed = {
            "login-password": self.logins,
            "login-key": self.logins,
            "rate-password": self.logins * RATED,
            "rate-key": self.logins * RATED,
            **dict.fromkeys(ALONE, self.logins * RATED),
            "jump-down": 2,
            "jump-noise": 2,
            "echo": 1,
            "busy": self.busy + 1,
            **dict.fromkeys(WAYS, self.logins + 1),
            "memory": self.idle + 1,
        }
        return sum(needed.get(row, 1) for row in self.rows)

    @property
    def steps(self) -> int:
        """How often the progress bar moves."""
        each = {
            "login-password": self.logins * 3,
            "login-key": self.logins * 3,
            "memory": 2,
            **dict.fromkeys(WAYS, self.logins + 2),
            **dict.fromkeys(ALONE, 1),
        }
        each |= dict.fromkeys(bulk.TRANSFERS, self.rounds * 3) | dict.fromkeys(JUMPS, self.rounds * 2)
        return sum(each.get(row, 3) for row in self.rows)


FULL = {
    "size": bulk.GIB, "rounds": 3, "logins": 20, "strokes": 400, "busy": 100, "idle": 500, "slow": 5000,
}  # fmt: skip
QUICK = {
    "size": 64 * bulk.MIB, "rounds": 1, "logins": 3, "strokes": 60, "busy": 20, "idle": 20, "slow": 500,
}  # fmt: skip

PAGE_WIDTH = 120
FURTHER = """Measured apart, each by `.venv/bin/python -m bench.NAME`:

sealing (sealed against clear, bytes of trace an hour), recorder (records and keystrokes), store (shipping), live (delay of a live view),
proofs (checkpoints, verifying), search (indexing, questions), presence (who was there), replay (first picture, seek),
decisions (on a region's PostgreSQL), gateways (one and two, and the loss of one), thousand (idle sessions, their end),
hotspots (where the time goes), flows (opening a way in the network filter, as root), airlock (front and relay before the gateway)."""


async def run(plan: Plan, results: Results, progress: Progress) -> None:
    """Build the ground, take every row of *plan*, remove the ground; a row that fails does not stop the others."""
    task = progress.add_task("starting", total=plan.steps)

    def tell(text: str) -> None:
        progress.update(task, description=text)

    def step(text: str) -> None:
        progress.update(task, description=text, advance=1)

    async with ground(plan.people, tell) as built:
        for row, measurement in _measurements(plan, built, results, step):
            try:
                await measurement()
            except (BenchError, OSError, TimeoutError) as error:
                results.fail(row, error)


async def _stoppable(work: Coroutine[None, None, None]) -> None:
    """Run *work*, which SIGTERM ends as Ctrl-C does: everything started is stopped first."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def _measurements(
    plan: Plan, built: Ground, results: Results, step: Callable[[str], None]
) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    known: dict[str, Callable[[], Awaitable[None]]] = {
        row: partial(bulk.measure, built, results, row, plan.size, plan.rounds, step)
        for row in (*bulk.TRANSFERS, *JUMPS)
    }
    for row in ("login-password", "login-key"):
        known[row] = partial(logins.measure, built, results, row, plan.logins, step)
    for row in ("rate-password", "rate-key", *ALONE):
        known[row] = partial(logins.rate, built, results, row, plan.logins * RATED, step)
    for way in strangers.Way:
        known[way.value] = partial(
            strangers.among, built, results, way, plan.strokes, plan.slow, plan.logins, step
        )
    known["echo"] = partial(echo.alone, built, results, "echo", plan.strokes, step)
    known["busy"] = partial(echo.among, built, results, "busy", plan.strokes, plan.busy, step)
    known["memory"] = partial(memory.measure, built, results, "memory", plan.idle, step)
    return [(row, known[row]) for row in plan.rows]


def bench(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="64 MiB, 20 sessions, one round: to see that it works.")
    ] = False,
    only: Annotated[
        list[Choice] | None, typer.Option("--only", metavar="ROW", help="This row alone; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every sample as JSON.")] = False,
) -> None:
    """Measure a direct sshd, OpenSSH's ssh -J and Écluse with recording, side by side on this machine."""
    rows = tuple(choice.value for choice in Choice if not only or choice in only)
    plan = Plan(rows=rows, **(QUICK if quick else FULL))
    facts = machine()
    results = Results(busy=plan.busy, idle=plan.idle, slow=plan.slow)
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    # a slow bar: what it costs is measured with everything else
    with Progress(*columns, console=screen, refresh_per_second=1, transient=True) as progress:
        try:
            asyncio.run(_stoppable(run(plan, results, progress)))
        except (asyncio.CancelledError, KeyboardInterrupt):
            screen.print("stopped; what had been started is gone")
            sys.exit(1)
        except (BenchError, DemoError) as error:
            screen.print(f"the measurement could not begin: {error}", markup=False)
            sys.exit(1)
    if as_json:
        typer.echo(json.dumps({"machine": facts, "cipher": CIPHER, **results.document()}, indent=2))
    else:
        _show(plan, results, facts)
    sys.exit(1 if results.failures else 0)


def _show(plan: Plan, results: Results, facts: dict[str, str]) -> None:
    screen = Console()
    if not screen.is_terminal:
        screen = Console(width=PAGE_WIDTH)
    title = f"{plan.size // bulk.MIB} MiB a transfer, median of {plan.rounds}; {CIPHER} on every leg; all on loopback"
    screen.print(results.table(title))
    for name, fact in facts.items():
        screen.print(f"{name}: {fact}", markup=False, highlight=False)
    for failure in results.failures:
        screen.print(f"failed: {failure}", markup=False, highlight=False)


def main() -> None:
    """Run the command."""
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command(epilog=FURTHER)(bench)
    command()
