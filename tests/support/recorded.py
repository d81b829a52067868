"""Sessions recorded into a house's own store and catalogue, by the real recorder."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.settings import RecorderSettings
from recorder.trace.frames import FrameType, canonical
from tests.support.api_house import House
from tests.support.traces import header


def record(
    house: House,
    fill: Callable[[Recording], None],
    *,
    purpose: str = "Change the tube",
    write_timeout: float = 2.0,
    decision: Mapping[str, Any] | None = None,
) -> str:
    """Record what *fill* says as a closed session of alice on scan01, and return its identifier."""
    changes = {} if decision is None else {"decision": decision}
    return house.run(_record(house, fill, purpose, write_timeout, changes))


def pass_time(recording: Recording, seconds: float) -> None:
    """Let *seconds* pass for the recording before its next frame; its write timeout must be longer than all of them."""
    recording._zero_ns -= int(seconds * 1_000_000_000)


def speak(recording: Recording, *texts: str) -> None:
    """Record a terminal's request and *texts* as its output."""
    pty = {"pty": {"term": "xterm", "columns": 100, "rows": 30}, "request": "shell"}
    recording.record(FrameType.REQUEST, 1, canonical(pty))
    for text in texts:
        recording.record(FrameType.OUTPUT, 1, text.encode())


async def _record(
    house: House,
    fill: Callable[[Recording], None],
    purpose: str,
    write_timeout: float,
    changes: dict[str, Any],
) -> str:
    world, folder = house.world, house.directory
    settings = RecorderSettings(
        spool=folder / "spool",
        store=folder / "store",
        signing_key_path=folder / "trace-signing.pem",
        catalog_url=f"sqlite:///{folder}/traces.db",
        min_free_bytes=0,
        write_timeout_seconds=write_timeout,
        reader_folder=folder / "readers" if (folder / "readers").exists() else None,
    )
    recorder = Recorder(settings, node="gateway-1", now=house.clock.now, on_alarm=_unexpected_alarm)
    await recorder.start()
    try:
        made = header(
            uuid4().hex,
            hospital_id=world.id,
            started_at=house.clock.now(),
            person={"id": world.who("alice"), "login": "alice", "full_name": "Alice Martin"},
            supplier={"id": world.supplier.id, "name": "Imagix"},
            intervention={"id": "d" * 32, "kind": "remote_maintenance", "purpose": purpose},
            device={"id": world.device.id, "name": "scan01", "address": "127.0.0.1", "port": 22},
            **changes,
        )
        recording = await recorder.open(made, _unexpected)
        fill(recording)
        await recording.close("left")
    finally:
        await recorder.stop()
    return made.session_id


def _unexpected(error: Exception) -> None:
    raise AssertionError(f"the recording failed: {error}")


def _unexpected_alarm(name: str, facts: object) -> None:
    raise AssertionError(f"the recorder raised {name}: {facts}")
