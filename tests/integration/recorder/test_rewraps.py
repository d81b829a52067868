"""Traces opened to a new reader: over the whole store, stopped and begun again, and held to by both verifiers."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import insert

from recorder.errors import TraceSealed
from recorder.proof import verifier
from recorder.replay.reader import TraceReader, Verification, verify
from recorder.seal.rewrapping import Wanted
from recorder.seal.signing import PublicKey, SigningKey, generate_key
from recorder.seal.wrapping import LockedKey, ReaderKey, generate_reader_key, wrap, wrap_name
from recorder.store.rewraps import Rewrapping, Tally
from recorder.store.tables import sessions_purged
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace
from tests.support.traces import EPOCH, HOSPITAL, SteppingClock, Studio, header, passed, studio, unexpected

Attack = Callable[["House", Path, TraceHeader], None]
pytestmark = pytest.mark.integration
SAID = b"dose 3 mGy for Mme Martin"
COUNT = 3


class House:
    """A store with sealed traces, the reader they were sealed for, a new one, and the console's key."""

    def __init__(self, made: Studio, folder: Path) -> None:
        """Take what is in *folder*."""
        self.made, self.folder = made, folder
        self.old = ReaderKey.load(folder / "old.pem")
        self.new = generate_reader_key(folder / "new.pem")
        self.console = generate_key(folder / "checkpoint.pem")
        self.sessions: list[str] = []

    async def record(self) -> Path:
        """Record one more session."""
        opened = header()
        recording = await self.made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, SAID)
        await recording.close("client_left")
        self.sessions.append(opened.session_id)
        return self.made.trace(opened.session_id)

    @property
    def traces(self) -> list[Path]:
        """The folders of all traces."""
        return [self.made.trace(one) for one in self.sessions]

    async def rewrap(
        self,
        *,
        retired: Sequence[ReaderKey] = (),
        keys: Sequence[ReaderKey] | None = None,
        stop_after: int = 99,
    ) -> Tally:
        """Give the new reader every trace, with the keys at hand; stopped after so many."""
        tally = Tally()

        def progress(done: int, of: int) -> None:
            assert done <= of
            if done == stop_after:
                raise KeyboardInterrupt

        at_hand = [self.old] if keys is None else list(keys)
        wanted = Wanted([self.new.public], [one.public.key_id for one in retired], self.console)
        recorder = self.made.recorder
        run = Rewrapping(recorder.catalog, recorder.store, lambda: at_hand, wanted, SteppingClock())
        try:
            await run.run(HOSPITAL, tally, progress)
        except KeyboardInterrupt:
            assert stop_after < len(self.sessions)
        return tally

    def by_product(self, trace: Path, consoles: Sequence[PublicKey] | None = None) -> Verification:
        """What the console finds."""
        known = [self.console.public] if consoles is None else consoles
        return verify(trace, self.made.public_key, consoles=known)

    def by_verifier(self, trace: Path) -> list[dict[str, object]]:
        """What the stand-alone verifier finds."""
        options = argparse.Namespace(
            key=[self.folder / "made" / "signing.pem.pub"],
            checkpoint_key=[self.folder / "checkpoint.pem.pub"],
            store=None,
            anchors=[],
            ca=None,
        )
        report = verifier.Report()
        verifier.verify_path(trace, options, report)
        return report.findings


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Three traces, sealed for the old reader alone."""
    generate_reader_key(tmp_path / "old.pem")
    async with studio(tmp_path / "made", reader_keys=(tmp_path / "old.pem.pub",)) as made:
        house = House(made, tmp_path)
        for _ in range(COUNT):
            await house.record()
        yield house


def said(trace: Path, *keys: ReaderKey) -> bytes:
    """What the device said, for who has these keys."""
    with TraceReader(trace, keys) as reader:
        return b"".join(frame.payload for frame in reader.frames() if frame.type is FrameType.OUTPUT)


async def test_a_new_reader_opens_what_was_recorded_before(house: House) -> None:
    """After a run the new key alone opens every old trace, the old one still does, and both verifiers say intact."""
    with pytest.raises(TraceSealed):
        said(house.traces[0], house.new)
    tally = await house.rewrap()
    assert tally.counts == Counter({"traces": COUNT, "wrapped": COUNT})
    for trace in house.traces:
        assert said(trace, house.new) == said(trace, house.old) == SAID
        assert house.by_product(trace).intact
        assert house.by_verifier(trace) == []
    again = await house.rewrap()
    assert again.counts == Counter({"traces": COUNT, "as_wanted": COUNT})


async def test_a_run_that_was_stopped_goes_on_where_it_was(house: House) -> None:
    """What a stopped run did stays done, and the next one does the rest."""
    await house.rewrap(stop_after=1)
    tally = await house.rewrap()
    assert tally.counts == Counter({"traces": COUNT, "as_wanted": 1, "wrapped": COUNT - 1})


async def test_a_retired_readers_wraps_go_once_another_can_read(house: House) -> None:
    """The old key opens nothing any more, a signed note says why, both verifiers accept it, and the new key reads."""
    tally = await house.rewrap(retired=[house.old])
    assert tally.counts == Counter({"traces": COUNT, "wrapped": COUNT, "retired": COUNT})
    for trace in house.traces:
        with pytest.raises(TraceSealed, match=house.new.public.key_id):
            said(trace, house.old)
        assert said(trace, house.new) == SAID
        assert house.by_product(trace).intact
        assert house.by_verifier(trace) == []


async def test_a_trace_that_nobody_else_can_read_keeps_its_wrap(house: House) -> None:
    """Where no key at hand opens a trace it is told as unreadable, and the retired reader's wrap stays."""
    tally = await house.rewrap(retired=[house.old], keys=[])
    assert tally.counts == Counter({"traces": COUNT, "unreadable": COUNT})
    assert sorted(tally.unreadable) == sorted(house.sessions)
    assert said(house.traces[0], house.old) == SAID
    locked = await house.rewrap(keys=[LockedKey("rssi", house.old.public)])
    assert locked.locked == {"rssi"}


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
async def test_what_is_no_wrap_beside_one_trace_stops_no_run(
    house: House, plant: Callable[[Path], None]
) -> None:
    """A pipe or a folder with a wrap's name makes that trace unreadable, and the others are wrapped."""
    plant(house.traces[1] / "planted.wrap")
    tally = await house.rewrap()
    assert tally.counts == Counter({"traces": COUNT, "unreadable": 1, "wrapped": COUNT - 1})
    assert tally.unreadable == [house.sessions[1]]


async def test_what_was_erased_or_purged_stays_so(house: House) -> None:
    """A trace without wraps gets none, and one whose purge was decided loses what was put beside it meanwhile."""
    erased, purged, _ = house.traces
    for path in erased.glob("*.wrap"):
        path.unlink()
    row = {
        "hospital_id": HOSPITAL,
        "session_id": house.sessions[1],
        "purged_at": EPOCH,
        "purge_sha256": "0" * 64,
    }
    async with house.made.recorder.database.write() as connection:
        await connection.execute(insert(sessions_purged), row)
    tally = await house.rewrap()
    assert tally.counts == Counter({"traces": COUNT, "erased": 2, "wrapped": 1})
    assert list(erased.glob("*.wrap")) == []
    assert [path.name for path in purged.glob("*.wrap")] == [wrap_name(house.old.public)]


async def test_a_purge_decided_during_a_run_wins(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a purge is decided between the look and the write, nothing that was written stays."""
    store = house.made.recorder.store
    seen: list[TracePlace] = []
    real = store.put_wrap

    def put(place: TracePlace, name: str, data: bytes) -> None:
        real(place, name, data)
        seen.append(place)

    looks: list[int] = []

    async def purged(_self: Rewrapping, headers: Sequence[TraceHeader]) -> set[str]:
        looks.append(len(headers))
        return set() if len(looks) == 1 else {headers[0].session_id}

    monkeypatch.setattr(store, "put_wrap", put)
    monkeypatch.setattr(Rewrapping, "_purged", purged)
    tally = await house.rewrap()
    assert len(seen) == COUNT
    assert looks == [COUNT, *[1] * COUNT]
    assert tally.counts == Counter({"traces": COUNT, "erased": COUNT})
    assert not [path for trace in house.traces for path in trace.glob(wrap_name(house.new.public))]


def _by_the_gateway(house: House, trace: Path, opened: TraceHeader) -> None:
    """The gateway's own key wraps for a reader that the header does not name."""
    signer = SigningKey.load(house.folder / "made" / "signing.pem")
    put(trace, wrap_name(house.new.public), wrap(opened, bytes(32), house.new.public, signer))


def _by_a_stranger(house: House, trace: Path, opened: TraceHeader) -> None:
    """A key that nobody knows wraps."""
    signer = generate_key(house.folder / "stranger.pem")
    put(trace, wrap_name(house.new.public), wrap(opened, bytes(32), house.new.public, signer))


def put(trace: Path, name: str, data: bytes) -> None:
    """Write a file beside the trace."""
    (trace / name).write_bytes(data)


@pytest.mark.parametrize("attack", [_by_the_gateway, _by_a_stranger])
async def test_only_the_console_adds_readers(house: House, attack: Attack) -> None:
    """A wrap that was added by the gateway's key, or by an unknown one, is a fault for both verifiers."""
    trace = house.traces[0]
    with TraceReader(trace) as reader:
        attack(house, trace, reader.header)
    assert house.by_product(trace).what == "wrap"
    assert [one["what"] for one in house.by_verifier(trace)] == ["wrap"]


async def test_a_wrap_made_later_needs_the_consoles_key(house: House) -> None:
    """Who does not know the console's key does not take its wraps for good."""
    await house.rewrap()
    assert house.by_product(house.traces[0], consoles=[]).what == "wrap"


async def test_notes_alone_are_no_erasure(house: House) -> None:
    """Where only notes of retired readers are left, the last wrap was destroyed behind them: a fault for both."""
    await house.rewrap(retired=[house.old])
    trace = house.traces[0]
    (trace / wrap_name(house.new.public)).unlink()
    assert house.by_product(trace).what == "wrap"
    assert [one["what"] for one in house.by_verifier(trace)] == ["wrap"]
