"""What sealing costs, and how large an hour of work is: prints two tables, asserts nothing.

Usage: python -m bench.sealing [MEBIBYTES] [ROUNDS]     (64 MiB a turn and 5 rounds otherwise)

Sealed and clear take turns in one process, so that whatever else the machine does meets both: look at the ratio and at
the CPU, less at the rates. The hour is made of a script, not of chance: 180 commands of 15 keys, each echoed, with
answers of 1 to 160 lines.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.recorder import bulk, header, stored_bytes
from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.replay.reader import read_manifest
from recorder.seal.signing import generate_key
from recorder.seal.wrapping import generate_reader_key
from recorder.settings import RecorderSettings
from recorder.store.database import migrate
from recorder.trace.frames import FrameType

MIB: Final = 1 << 20
PIECE: Final = 32768
PIECES: Final = 256
STORE: Final = "store"
COMMANDS: Final = 180
COMMAND: Final = b"tail -n 40 log\r"
LINES: Final = (1, 4, 12, 40, 160)
BATCHES: Final = (1, 4, 16, 64)
KINDS: Final = ("clear", "sealed")


@dataclass(slots=True)
class Turns:
    """The figures of one load and one kind, a value a turn."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


async def main(folder: Path, mebibytes: int, rounds: int) -> None:
    """Run both measurements."""
    recorders = {kind: await _recorder(folder / kind, sealed=kind == "sealed") for kind in KINDS}
    try:
        screen = Console()
        screen.print(await _costs(recorders, mebibytes, rounds))
        screen.print(await _hours(recorders, folder))
    finally:
        for recorder in recorders.values():
            await recorder.stop()


async def _recorder(folder: Path, *, sealed: bool) -> Recorder:
    folder.mkdir()
    generate_key(folder / "key.pem")
    generate_reader_key(folder / "reader.pem")
    url = f"sqlite:///{folder}/traces.db"
    await migrate(url)
    settings = RecorderSettings(
        spool=folder / "spool",
        store=folder / STORE,
        signing_key_path=folder / "key.pem",
        catalog_url=url,
        min_free_bytes=0,
        reader_keys=(folder / "reader.pem.pub",) if sealed else (),
    )
    recorder = Recorder(settings, node="bench", now=lambda: datetime.now(UTC))
    await recorder.start()
    return recorder


async def _costs(recorders: dict[str, Recorder], mebibytes: int, rounds: int) -> Table:
    # no piece comes again within a record, or it would compress to nothing
    loads = {
        "log lines": [b"".join(_lines(number, 700))[:PIECE] for number in range(PIECES)],
        "random bytes": [os.urandom(PIECE) for _ in range(PIECES)],
    }
    taken = {(name, kind): Turns() for name in loads for kind in KINDS}
    count = mebibytes * MIB // PIECE
    for number in track(range(rounds), "sealed and clear by turns", console=Console(stderr=True)):
        for name, pieces in loads.items():
            # who begins changes, so that neither is always the one after a rest
            for kind in KINDS if number % 2 else KINDS[::-1]:
                recording = await recorders[kind].open(header(), _failed)
                seconds, cpu = await bulk(recording, pieces, count)
                await recording.close("measured")
                taken[name, kind].rates.append(mebibytes / seconds)
                taken[name, kind].cpu.append(cpu * 1024 / mebibytes)
    table = Table("load", "clear", "sealed", "sealed to clear", "unit", title="Sealing, the recorder alone")
    for name in loads:
        clear, sealed = taken[name, "clear"], taken[name, "sealed"]
        for unit, before, after in (
            ("MiB/s", clear.rates, sealed.rates),
            ("s of CPU a GiB", clear.cpu, sealed.cpu),
        ):
            ratio = statistics.median(b / a for a, b in zip(before, after, strict=True))
            medians = (f"{statistics.median(each):,.2f}" for each in (before, after))
            table.add_row(name, *medians, f"{ratio:.2f}", unit)
    return table


async def _hours(recorders: dict[str, Recorder], scratch: Path) -> Table:
    table = Table(
        "frames handed over at once", "kind", "frames", "records", "bytes passed", "bytes kept", "a record",
        title="An hour of typical work",
    )  # fmt: skip
    for batch in BATCHES:
        for kind in KINDS:
            recorder = recorders[kind]
            told = header()
            recording = await recorder.open(told, _failed)
            frames, passed = await _work(recording, batch)
            await recording.close("measured")
            place = recorder.store.find("bench", told.session_id)
            folder = scratch / kind / STORE / place.folder
            size, records = stored_bytes(folder), read_manifest(folder).records
            figures = (f"{each:,}" for each in (frames, records, passed, size))
            table.add_row(str(batch), kind, *figures, f"{size / records:,.0f}")
    return table


async def _work(recording: Recording, batch: int) -> tuple[int, int]:
    """Record the hour, *batch* frames at a time, each lot durable before the next; how many frames, how many bytes."""
    frames = passed = 0
    lot: list[tuple[FrameType, bytes]] = []
    for frame in _hour():
        lot.append(frame)
        if len(lot) == batch:
            await _lot(recording, lot)
            lot.clear()
        frames += 1
        passed += len(frame[1])
    if lot:
        await _lot(recording, lot)
    return frames, passed


async def _lot(recording: Recording, lot: list[tuple[FrameType, bytes]]) -> None:
    last = asyncio.Event()
    for number, (kind, payload) in enumerate(lot, 1):
        recording.record(kind, 1, payload, last.set if number == len(lot) else _nothing)
    await last.wait()


def _hour() -> Iterator[tuple[FrameType, bytes]]:
    """Give the frames of the hour: keys one by one with their echoes, then the answer in pieces of a read."""
    for number in range(COMMANDS):
        for key in COMMAND:
            yield FrameType.INPUT, bytes([key])
            yield FrameType.OUTPUT, bytes([key])
        answer = b"".join(_lines(number, LINES[number % len(LINES)])) + b"root@scanner:~# "
        for start in range(0, len(answer), 4096):
            yield FrameType.OUTPUT, answer[start : start + 4096]


def _lines(seed: int, count: int) -> Iterator[bytes]:
    """Give lines as logs have them: the same words, other numbers."""
    for number in range(count):
        mark = zlib.crc32(f"{seed}/{number}".encode())
        yield (
            f"Nov 29 08:{mark % 60:02}:{number % 60:02} scanner dicomd[{mark % 30000}]: C-STORE {mark:08x} ok\r\n"
        ).encode()


def _failed(error: Exception) -> None:
    raise SystemExit(f"the recording failed: {error}")


def _nothing() -> None:
    """What passes goes nowhere here."""


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:3]]
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(main(Path(scratch), *(numbers + [64, 5][len(numbers) :])))
