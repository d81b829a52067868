"""Sessions recorded into a house's own store and catalogue, by the real recorder."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from recorder.capture.session import Recording
from recorder.capture.spool import Recorder
from recorder.errors import TraceNotFound
from recorder.settings import RecorderSettings
from recorder.trace.frames import FrameType, canonical
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace
from tests.support.api_house import House
from tests.support.traces import header
from tests.support.waiting import until


def record(
    house: House,
    fill: Callable[[Recording], None],
    *,
    purpose: str = "Change the tube",
    decision: Mapping[str, Any] | None = None,
) -> str:
    """Record what *fill* says as a closed session of alice on scan01, and return its identifier."""
    changes = {} if decision is None else {"decision": decision}
    return house.run(_record(house, fill, purpose, changes))


def pass_time(recording: Recording, seconds: float) -> None:
    """Let *seconds* pass for the recording before its next frame."""
    recording._zero_ns -= int(seconds * 1_000_000_000)


def speak(recording: Recording, *texts: str) -> None:
    """Record a terminal's request and *texts* as its output."""
    pty = {"pty": {"term": "xterm", "columns": 100, "rows": 30}, "request": "shell"}
    recording.record(FrameType.REQUEST, 1, canonical(pty))
    for text in texts:
        recording.record(FrameType.OUTPUT, 1, text.encode())


@dataclass
class Going:
    """A session under way: what it shows is recorded, and shipped as it grows. ``run`` works in the house's loop."""

    house: House
    recorder: Recorder
    recording: Recording
    header: TraceHeader
    over: bool = False

    @property
    def session_id(self) -> str:
        """The session's identifier."""
        return self.recording.session_id

    def record(self, kind: FrameType, channel: int, facts: Mapping[str, Any] | bytes) -> None:
        """Record a frame: *facts*, or output."""
        payload = facts if isinstance(facts, bytes) else canonical(dict(facts))

        async def work() -> None:
            self.recording.record(kind, channel, payload)

        self.house.run(work())

    def show(self, text: str, channel: int = 1) -> None:
        """Record *text* as output."""
        self.record(FrameType.OUTPUT, channel, text.encode())

    def open_terminal(self, channel: int = 1) -> None:
        """Record that a terminal of 100 columns by 30 rows was asked for."""
        self.record(FrameType.OPEN, channel, {"kind": "session"})
        pty = {"term": "xterm", "columns": 100, "rows": 30}
        self.record(FrameType.REQUEST, channel, {"pty": pty, "request": "shell"})

    def wait_until_shipped(self) -> None:
        """Wait until all that was recorded so far is in the store."""
        writer = self.recording.writer
        until(lambda: self.recording.pending_bytes == 0, "written")
        until(lambda: len(self._stored()) >= writer.offset, "shipped")

    def _stored(self) -> bytes:
        try:
            return self.house.store.read(TracePlace.of(self.header), 0, 1 << 20)
        except TraceNotFound:
            return b""

    def end(self, reason: str = "left") -> None:
        """Let the session be over."""
        self.over = True
        self.house.run(self.recording.close(reason))


@contextmanager
def going(house: House, session_id: str | None = None) -> Iterator[Going]:
    """Give a session of alice on scan01 that goes on until the block ends; policy knows it by *session_id*, if at all."""
    changes = {} if session_id is None else {"session_id": session_id}
    recorder, made = house.run(_begun(house, "Change the tube", changes))
    try:
        recording = house.run(recorder.open(made, _unexpected))
        session = Going(house, recorder, recording, made)
        yield session
        if not session.over:
            session.end()
    finally:
        house.run(recorder.stop())


@contextmanager
def leased(house: House) -> Iterator[Going]:
    """As `going`, for a session that policy has granted too; `beat` keeps it from being lost."""
    access = house.world.services.access
    house.run(house.world.add_window())
    grant = house.run(house.world.grant())
    house.run(access.session_opened(grant, "gw1"))
    with going(house, grant.session_id) as session:
        yield session
    house.run(access.session_closed(grant.hospital_id, grant.session_id, "left"))


def beat(house: House) -> None:
    """Let the gateway of leased sessions give a sign of life."""
    house.run(house.world.services.access.heartbeat("gw1"))


async def _record(
    house: House,
    fill: Callable[[Recording], None],
    purpose: str,
    changes: dict[str, Any],
) -> str:
    recorder, made = await _begun(house, purpose, changes)
    try:
        recording = await recorder.open(made, _unexpected)
        fill(recording)
        await recording.close("left")
    finally:
        await recorder.stop()
    return made.session_id


async def _begun(house: House, purpose: str, changes: dict[str, Any]) -> tuple[Recorder, TraceHeader]:
    """Start a recorder of the house's own, and make the header of a session."""
    world, folder = house.world, house.directory
    settings = RecorderSettings(
        spool=folder / "spool",
        store=folder / "store",
        signing_key_path=folder / "trace-signing.pem",
        catalog_url=f"sqlite:///{folder}/traces.db",
        min_free_bytes=0,
        write_timeout_seconds=1e6,  # time passes by leaps, and a disk that others keep busy is not stuck
        reader_folder=folder / "readers" if (folder / "readers").exists() else None,
    )
    recorder = Recorder(settings, node="gateway-1", now=house.clock.now, on_alarm=_unexpected_alarm)
    await recorder.start()
    made = header(
        changes.pop("session_id", uuid4().hex),
        hospital_id=world.id,
        started_at=house.clock.now(),
        person={"id": world.who("alice"), "login": "alice", "full_name": "Alice Martin"},
        supplier={"id": world.supplier.id, "name": "Imagix"},
        intervention={"id": "d" * 32, "kind": "remote_maintenance", "purpose": purpose},
        device={"id": world.device.id, "name": "scan01", "address": "127.0.0.1", "port": 22},
        **changes,
    )
    return recorder, made


def _unexpected(error: Exception) -> None:
    raise AssertionError(f"the recording failed: {error}")


def _unexpected_alarm(name: str, facts: object) -> None:
    raise AssertionError(f"the recorder raised {name}: {facts}")
