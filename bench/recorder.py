"""What recording costs: prints one table, asserts nothing.

Usage: python -m bench.recorder [FOLDER]     (FOLDER: where the spool lies; a temporary one otherwise)
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.replay.reader import verify
from recorder.seal.signing import generate_key
from recorder.settings import RecorderSettings
from recorder.store.database import migrate
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader

T = TypeVar("T")
HIGH_WATER = 1 << 20
"""Pending bytes at which the bridge stops reading, and so do we."""
KEYSTROKE = b'{"length":1}'


async def main(folder: Path) -> None:
    """Run every measurement."""
    generate_key(folder / "key.pem")
    url = f"sqlite:///{folder}/traces.db"
    await migrate(url)
    settings = RecorderSettings(
        spool=folder / "spool",
        store=folder / "store",
        signing_key_path=folder / "key.pem",
        catalog_url=url,
        min_free_bytes=0,
    )
    recorder = Recorder(settings, node="bench", now=lambda: datetime.now(UTC))
    await recorder.start()
    table = Table("recorder", "value", title="Recording alone, one process")
    text = (b"drwxr-xr-x  2 root root 4096 Nov 22 18:31 shared\r\n" * 700)[:32768]
    noise = [os.urandom(32768) for _ in range(256)]
    for name, pieces, count in (
        ("64 B frames", [text[:64]], 200_000),
        ("32 KiB frames, text", [text], 16_384),
        ("32 KiB frames, random", noise, 16_384),
    ):
        seconds, cpu = await _fresh(recorder, partial(bulk, pieces=pieces, count=count))
        rate = f"{count / seconds:,.0f} frames/s"
        volume = f"{count * len(pieces[0]) / seconds / 1e6:,.0f} MB/s"
        table.add_row(name, f"{rate}, {volume}, {cpu / count * 1e6:.1f} µs CPU a frame")
    quiet = await _fresh(recorder, lambda recording: _keystrokes(recording, 5000))
    table.add_row("keystroke to durable", _quantiles(quiet))
    busy = await _beside_bulk(recorder, text)
    table.add_row("keystroke beside one bulk stream", _quantiles(busy))
    table.add_row("open, header on the platter", _quantiles(await _opens(recorder, 50)))
    sessions = recorder.store.sessions("bench")
    places = [recorder.store.find("bench", each) for each in sessions]
    size, largest = max(
        (stored_bytes(settings.store / place.folder), settings.store / place.folder) for place in places
    )
    started = time.perf_counter()
    found = verify(largest, (folder / "key.pem.pub").read_bytes())
    table.add_row(
        "verify",
        f"{size / (time.perf_counter() - started) / 1e6:,.0f} MB/s of stored bytes, intact: {found.intact}",
    )
    await recorder.stop()
    Console().print(table)


async def _fresh(recorder: Recorder, work: Callable[[Recording], Awaitable[T]]) -> T:
    recording = await recorder.open(header(), _failed)
    result = await work(recording)
    await recording.close("measured")
    return result


async def bulk(recording: Recording, pieces: Sequence[bytes], count: int) -> tuple[float, float]:
    """Seconds and CPU seconds to record ``count`` frames under back-pressure, until the last may pass.

    *pieces* come round and round. One piece alone compresses to little, whatever is in it: a record holds many frames.
    """
    last, room = asyncio.Event(), asyncio.Event()
    started, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        payload = pieces[number % len(pieces)]
        if recording.pending_bytes >= HIGH_WATER:
            room.clear()
            recording.record(FrameType.OUTPUT, 1, payload, room.set)
            await room.wait()
        else:
            recording.record(FrameType.OUTPUT, 1, payload, _nothing)
        if number % 64 == 0:
            await asyncio.sleep(0)  # as a bridge does, which gets its frames from the loop
    recording.record(FrameType.MARKER, 1, b"{}", last.set)
    await last.wait()
    return time.perf_counter() - started, time.process_time() - cpu


async def _keystrokes(recording: Recording, count: int) -> list[float]:
    waited = []
    for _ in range(count):
        may_pass = asyncio.Event()
        started = time.perf_counter()
        recording.record(FrameType.INPUT, 1, KEYSTROKE, may_pass.set)
        await may_pass.wait()
        waited.append(time.perf_counter() - started)
    return waited


async def _beside_bulk(recorder: Recorder, payload: bytes) -> list[float]:
    stream = await recorder.open(header(), _failed)
    flood = asyncio.ensure_future(bulk(stream, [payload], 1 << 20))
    waited = await _fresh(recorder, lambda recording: _keystrokes(recording, 1000))
    flood.cancel()
    await asyncio.gather(flood, return_exceptions=True)
    await stream.close("measured")
    return waited


async def _opens(recorder: Recorder, count: int) -> list[float]:
    waited = []
    for _ in range(count):
        started = time.perf_counter()
        recording = await recorder.open(header(), _failed)
        waited.append(time.perf_counter() - started)
        await recording.close("measured")
    return waited


def _quantiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e6:,.0f} µs, p99 {cuts[98] * 1e6:,.0f} µs"


def stored_bytes(folder: Path) -> int:
    """Bytes of a stored trace."""
    return sum(path.stat().st_size for path in folder.glob("*.ecl"))


def header() -> TraceHeader:
    """The header of one more session."""
    return TraceHeader(
        session_id=uuid4().hex,
        hospital_id="bench",
        node="bench",
        started_at=datetime.now(UTC),
        person={"id": "p", "login": "bench", "full_name": "Bench"},
        supplier={"id": "s", "name": "Bench"},
        device={"id": "d", "name": "bench", "address": "127.0.0.1", "port": 22},
        account="bench",
        intervention={"id": "i", "kind": "maintenance", "purpose": "measure"},
        window={"id": "w", "start": "", "end": ""},
        factors=[],
        source="127.0.0.1",
        decision={},
    )


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


def _nothing() -> None:
    """What passes goes nowhere here."""


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(main(Path(scratch)))
