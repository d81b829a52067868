"""``python -m bench.search``: how fast traces are rendered for the search, and how fast an index of millions of lines answers.

Prints a table; asserts nothing. The text is made up: what a technician's shell shows, with words of every rarity.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.presence import header
from bench.results import percentile
from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.seal.signing import generate_key
from recorder.search.hits import Search
from recorder.search.index import SearchIndex
from recorder.search.passages import LINES, Kind, Line, Passage
from recorder.search.query import parse
from recorder.search.rendering import Bounds, Rendered, State, render
from recorder.settings import RecorderSettings
from recorder.store.database import migrate
from recorder.trace.frames import FrameType, canonical

AT = datetime(2026, 3, 1, tzinfo=UTC)
MIB = 1 << 20
CHANCE = random.Random(7)
RARE = [f"word{number:05}" for number in range(20_000)]
COMMON = [
    "the",
    "of",
    "total",
    "drwxr-xr-x",
    "root",
    "maint",
    "scan01",
    "log",
    "error",
    "ok",
    "started",
    "stopped",
    "service",
    "file",
]
QUESTIONS = {
    "a rare word": "word00042",
    "a phrase of common words": '"service file"',
    "a rare and a common word": "word00777 error",
    "a prefix": "word0004*",
    "a common word, first page": "error",
}


def line() -> str:
    """Return one line of a log."""
    words = [CHANCE.choice(COMMON) for _ in range(8)]
    words.insert(CHANCE.randrange(8), CHANCE.choice(RARE))
    return " ".join(words)


async def rendered(folder: Path, mebibytes: int) -> tuple[float, int]:
    """Record *mebibytes* of a shell's output, render it, and return MiB a second and the passages."""
    generate_key(folder / "key.pem")
    url = f"sqlite:///{folder}/traces.db"
    await migrate(url)
    settings = RecorderSettings(
        spool=folder / "spool", store=folder / "store", signing_key_path=folder / "key.pem", catalog_url=url,
        min_free_bytes=0,
    )  # fmt: skip
    recorder = Recorder(settings, node="bench", now=lambda: datetime.now(UTC))
    await recorder.start()
    try:
        opened = replace(header(1, datetime.now(UTC)), session_id=uuid4().hex)
        recording = await recorder.open(opened, _failed)
        fill(recording, mebibytes)
        await recording.close("left")
        with recorder.store.opened(recorder.store.find(opened.hospital_id, opened.session_id)) as trace:
            started = time.perf_counter()
            found = await render(trace, None, Bounds(cpu_seconds=3600, text_mib=1024))
            spent = time.perf_counter() - started
    finally:
        await recorder.stop()
    if found.state is not State.INDEXED:
        raise SystemExit(f"the trace was not rendered whole: {found.why}")
    return mebibytes / spent, len(found.passages)


def fill(recording: Recording, mebibytes: int) -> None:
    """Record a shell that shows so much."""
    pty = {"pty": {"term": "xterm", "columns": 120, "rows": 40}, "request": "shell"}
    recording.record(FrameType.REQUEST, 1, canonical(pty))
    for _ in range(mebibytes * 16):
        text = "".join(f"{line()}\r\n" for _ in range(800))
        recording.record(FrameType.OUTPUT, 1, text[: 64 * 1024].encode())


def passages(count: int) -> Iterator[Passage]:
    """Give so many passages of a screen."""
    for number in range(count):
        yield Passage(Kind.SCREEN, 1, tuple(Line(number * 1000 + place, line()) for place in range(LINES)))


def filled(folder: Path, lines: int) -> tuple[SearchIndex, float]:
    """Fill an index with so many lines, 10 000 a session, and return it with lines a second."""
    index = SearchIndex(folder / "search", "0" * 32)
    sessions = lines // 10_000
    spent = 0.0
    for number in track(range(sessions), f"{lines:,} lines", console=Console(stderr=True)):
        found = Rendered(passages=tuple(passages(10_000 // LINES)), state=State.INDEXED)
        started = time.perf_counter()
        index.put(header(number, AT + timedelta(hours=number)), found, AT)
        spent += time.perf_counter() - started
    return index, lines / spent


def main(
    mebibytes: Annotated[int, typer.Option(help="MiB of output that are rendered.")] = 16,
    lines: Annotated[int, typer.Option(help="Lines that the index holds.")] = 5_000_000,
    asked: Annotated[int, typer.Option(help="How often each question is asked.")] = 20,
) -> None:
    """Print the table.

    Example: python -m bench.search --lines 1000000
    """
    table = Table("search", "value", title=f"Search: one process, {lines:,} lines in the index")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        speed, count = asyncio.run(rendered(folder, mebibytes))
        table.add_row(f"rendered, {mebibytes} MiB of a shell, {count:,} passages", f"{speed:.2f} MiB/s")
        index, rate = filled(folder, lines)
        table.add_row("put into the index", f"{rate:,.0f} lines/s")
        size = sum(path.stat().st_size for path in (folder / "search").iterdir())
        table.add_row("size of the index", f"{size / MIB:,.0f} MiB")
        for name, typed in QUESTIONS.items():
            spent = []
            for _ in range(asked):
                started = time.perf_counter()
                index.search(Search(query=parse(typed), whom={}))
                spent.append((time.perf_counter() - started) * 1000)
            table.add_row(name, f"{percentile(spent, 50):.1f} / {percentile(spent, 99):.1f} ms")
    Console().print(table)


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


if __name__ == "__main__":
    typer.run(main)
