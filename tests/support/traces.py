"""A recorder in a folder of the test's own, and what it records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.seal.signing import PublicKey, generate_key
from recorder.settings import RecorderSettings
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from tests.support.schemas import trace_schema

HOSPITAL = "0123456789abcdef0123456789abcdef"
NODE = "gateway-1"
EPOCH = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


class SteppingClock:
    """A wall clock that moves a millisecond a look."""

    def __init__(self) -> None:
        self.at = EPOCH

    def __call__(self) -> datetime:
        """The next instant."""
        self.at += timedelta(milliseconds=1)
        return self.at


def header(session_id: str | None = None, **changes: Any) -> TraceHeader:
    """A header as the gateway builds it."""
    made = TraceHeader(
        session_id=uuid4().hex if session_id is None else session_id,
        hospital_id=HOSPITAL,
        node=NODE,
        started_at=EPOCH,
        person={"id": "a" * 32, "login": "alice", "full_name": "Alice Martin"},
        supplier={"id": "b" * 32, "name": "Imagerie du Nord"},
        device={"id": "c" * 32, "name": "scan01", "address": "10.1.2.3", "port": 22},
        account="maint-alice",
        intervention={"id": "d" * 32, "kind": "maintenance", "purpose": "Change the tube"},
        window={"id": "e" * 32, "start": "2026-03-29T00:00:00.000000Z", "end": "2026-03-29T04:00:00.000000Z"},
        factors=["password", "totp"],
        source="192.0.2.7",
        decision={"channels": ["shell"], "idle_seconds": 900},
        client_version="SSH-2.0-OpenSSH_9.2",
    )
    return replace(made, **changes)


@dataclass
class Studio:
    """A started recorder, its key, and what it was alarmed by."""

    recorder: Recorder
    public_key: PublicKey
    settings: RecorderSettings
    recovered: list[str]
    alarms: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def trace(self, session_id: str, hospital_id: str = HOSPITAL) -> Path:
        """The folder of a closed trace."""
        return stored(self.recorder, hospital_id, session_id)


def stored(recorder: Recorder, hospital_id: str, session_id: str) -> Path:
    """The folder of a closed trace in a recorder's own folder of traces."""
    return recorder.settings.store / recorder.store.find(hospital_id, session_id).folder


async def prepare(folder: Path, **settings: Any) -> RecorderSettings:
    """Make what `init` makes: a key and a database; keeps what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "signing.pem").exists():
        generate_key(folder / "signing.pem")
    values: dict[str, Any] = {
        "spool": folder / "spool",
        "store": folder / "traces",
        "signing_key_path": folder / "signing.pem",
        "catalog_url": f"sqlite:///{folder}/traces.db",
        "min_free_bytes": 0,
        "write_timeout_seconds": 10.0,  # a disk that others keep busy is not stuck
        **settings,
    }
    await trace_schema(values["catalog_url"])
    return RecorderSettings(**values)


@asynccontextmanager
async def studio(folder: Path, **settings: Any) -> AsyncIterator[Studio]:
    """A recorder that is started and, at the end, stopped."""
    made = await prepare(folder, **settings)
    alarms: list[tuple[str, dict[str, Any]]] = []
    recorder = Recorder(
        made, node=NODE, now=SteppingClock(), on_alarm=lambda name, facts: alarms.append((name, facts))
    )
    recovered = await recorder.start()
    public = PublicKey.load(made.signing_key_path.with_name("signing.pem.pub"))
    try:
        yield Studio(recorder, public, made, recovered, alarms)
    finally:
        await recorder.stop()


async def passed(
    recording: Recording, kind: FrameType, channel: int, payload: bytes, seconds: float = 60
) -> None:
    """Record a frame and wait until it may pass."""
    done = asyncio.Event()
    recording.record(kind, channel, payload, done.set)
    await asyncio.wait_for(done.wait(), seconds)


async def closed_trace(
    folder: Path, fill: Callable[[Recording], None], **settings: Any
) -> tuple[Path, PublicKey]:
    """A closed trace of what ``fill`` records, and the key to verify it with."""
    async with studio(folder, **settings) as made:
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        fill(recording)
        await recording.close("client_left")
        return made.trace(opened.session_id), made.public_key


def unexpected(error: Exception) -> None:
    """For `on_failure`, where a recording must not fail."""
    raise AssertionError(f"the recording failed: {error}")
