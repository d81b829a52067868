"""What it costs to bring traces to their store, a folder and a bucket: prints one table, asserts nothing.

Usage: python -m bench.store     (the bucket's server is the one of the tests, or what ECLUSE_TEST_S3_… names)
"""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from bench.recorder import header
from recorder.capture.courier import Courier
from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.seal.signing import generate_key
from recorder.settings import RecorderSettings
from recorder.store.database import migrate
from recorder.trace.frames import FrameType
from recorder.trace.place import TracePlace
from tests.support import s3

KEYSTROKE = b'{"length":1}'
NOISE = os.urandom(1 << 18)
MEBIBYTES = 96


async def main(folder: Path) -> None:
    """Measure without a store, with a folder and with a bucket."""
    generate_key(folder / "key.pem")
    url = f"sqlite:///{folder}/traces.db"
    await migrate(url)
    base = RecorderSettings(
        spool=folder / "spool",
        store=folder / "store",
        signing_key_path=folder / "key.pem",
        catalog_url=url,
        min_free_bytes=0,
        retention=timedelta(seconds=1),
    )
    bucket = s3.settings(folder / "cache", f"bench/{uuid4().hex}")
    table = Table("trace store", "nothing shipped", "folder", "bucket", title="Shipping, one process")
    columns = [
        await _measured(base, shipped=False),
        await _measured(base, shipped=True),
        await _measured(replace(base, bucket=bucket), shipped=True),
    ]
    for name in columns[1]:
        table.add_row(name, *(column.get(name, "–") for column in columns))
    Console().print(table)


async def _measured(settings: RecorderSettings, *, shipped: bool) -> dict[str, str]:
    recorder = Recorder(settings, node="bench", now=lambda: datetime.now(UTC))
    if not shipped:
        recorder.courier.follow = lambda _recording, _delivery: None  # type: ignore[assignment]  # nobody follows
    await recorder.start()
    try:
        found = {"keystroke to durable, alone": _quantiles(await _typing(recorder, 1, 2000))}
        found["keystroke to durable, 40 sessions type"] = _quantiles(await _typing(recorder, 40, 100))
        recording = await recorder.open(header(), _failed)
        started, cpu = time.perf_counter(), time.process_time()
        await _bulk(recording)
        found["bulk, recorded"] = f"{MEBIBYTES / (time.perf_counter() - started):.0f} MiB/s"
        found["bulk, CPU"] = _a_gibibyte(cpu)
        if shipped:
            await _caught_up(recorder.courier)
            seconds = time.perf_counter() - started
            found["bulk, in the store"] = f"{MEBIBYTES / seconds:.0f} MiB/s"
            found["bulk, CPU"] = _a_gibibyte(cpu)
            found["live delay"] = _quantiles(await _delays(recorder, 25))
        started = time.perf_counter()
        await recording.close("measured")
        found["close"] = f"{(time.perf_counter() - started) * 1e3:.0f} ms"
    finally:
        await recorder.stop()
    return found


async def _typing(recorder: Recorder, people: int, count: int) -> list[float]:
    recordings = [await recorder.open(header(), _failed) for _ in range(people)]
    waited = await asyncio.gather(*(_keystrokes(each, count, people) for each in recordings))
    for each in recordings:
        await each.close("measured")
    return [seconds for one in waited for seconds in one]


async def _keystrokes(recording: Recording, count: int, people: int) -> list[float]:
    waited = []
    for _ in range(count):
        may_pass = asyncio.Event()
        started = time.perf_counter()
        recording.record(FrameType.INPUT, 1, KEYSTROKE, may_pass.set)
        await may_pass.wait()
        waited.append(time.perf_counter() - started)
        await asyncio.sleep(0.1 if people > 1 else 0.002)
    return waited


async def _bulk(recording: Recording) -> None:
    for _ in range(MEBIBYTES << 20 >> 18):
        may_pass = asyncio.Event()
        recording.record(FrameType.OUTPUT, 1, NOISE, may_pass.set)
        await may_pass.wait()


async def _delays(recorder: Recorder, count: int) -> list[float]:
    """Seconds from a keystroke until its record can be read in the store."""
    head = header()
    place = TracePlace.of(head)
    recording = await recorder.open(head, _failed)
    await _keystrokes(recording, 1, 1)
    await _caught_up(recorder.courier)
    waited = []
    for number in range(count):
        await asyncio.sleep(0.31 + number % 7 * 0.05)
        started = time.perf_counter()
        await _keystrokes(recording, 1, 1)
        end = recording.writer.offset
        while not await asyncio.to_thread(recorder.store.read, place, end - 1, 1):  # noqa: ASYNC110 - a store tells nobody
            await asyncio.sleep(0.01)
        waited.append(time.perf_counter() - started)
    await recording.close("measured")
    return waited


async def _caught_up(courier: Courier) -> None:
    while courier.state().lag_bytes:  # noqa: ASYNC110 - it lags by numbers, not by events
        await asyncio.sleep(0.01)


def _a_gibibyte(cpu: float) -> str:
    return f"{(time.process_time() - cpu) / MEBIBYTES * 1024:.1f} s a GiB"


def _quantiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e3:,.2f} ms, p99 {cuts[98] * 1e3:,.2f} ms"


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(main(Path(scratch)))
