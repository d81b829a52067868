"""Purging for real: what is destroyed, in which order, what both verifiers say of it, and who cannot make it happen."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from recorder.errors import StoreUnreachable, TraceFormatError
from recorder.proof.inspection import Inspection
from recorder.retention.purge import Fate, Order, Purger
from recorder.retention.shelf import ClosedTrace, PurgeShelf
from recorder.retention.witness import witness
from recorder.seal.signing import SigningKey
from recorder.store.folder import FolderStore
from recorder.trace.place import TracePlace
from recorder.trace.purge import PurgeRecord
from tests.support.proof_store import DAY, SESSIONS, ProofStore, build, copy_of
from tests.support.traces import EPOCH, HOSPITAL

RULE = Order("retention", "recordings are kept 183 days")
ERASURE = Order("erasure", "tiers filmé", ("p1", "p2"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ProofStore:
    """Four sealed sessions with their proofs; tests work on copies."""
    return asyncio.run(build(tmp_path_factory.mktemp("retention")))[0]


@pytest.fixture
async def store(built: ProofStore, tmp_path: Path) -> AsyncIterator[ProofStore]:
    """A copy of it."""
    made = copy_of(built, tmp_path)
    yield made
    await made.close()


class Failing(FolderStore):
    """A folder that stops answering before the *n*-th thing that a purge does to it."""

    def __init__(self, root: Path, steps: int) -> None:
        super().__init__(root)
        self.steps = steps

    def _step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise StoreUnreachable("gone")

    @override
    def destroy_wraps(self, place: TracePlace) -> int:
        """Destroy, unless it is over."""
        self._step()
        return super().destroy_wraps(place)

    @override
    def delete(self, place: TracePlace, *, keep_stub: bool = False) -> int:
        """Delete, unless it is over."""
        self._step()
        return super().delete(place, keep_stub=keep_stub)

    @override
    def put(self, place: TracePlace, name: str, data: bytes, *, locked: bool) -> None:
        """Put, unless it is over."""
        self._step()
        super().put(place, name, data, locked=locked)


@dataclass
class Bench:
    """What purges the copy."""

    store: ProofStore
    shelf: PurgeShelf

    def purger(self, traces: FolderStore) -> Purger:
        """Purge in *traces*."""
        key = SigningKey.load(self.store.folder / "checkpoint.pem")
        return Purger(self.shelf, traces, key, self.store.clock)

    async def trace(self, number: int) -> ClosedTrace:
        """One of the closed traces."""
        return (await self.shelf.closed(session_id=SESSIONS[number - 1])).traces[0]


@pytest.fixture
async def bench(store: ProofStore) -> Bench:
    """What purges the copy."""
    return Bench(store, PurgeShelf(store.database(), HOSPITAL, store.clock))


def findings(found: Inspection) -> list[tuple[str, str, str]]:
    """What an inspection found, in short."""
    return [(one.place, one.name, one.what) for one in found.findings]


async def verified(store: ProofStore, tmp_path: Path) -> Inspection:
    """What both verifiers find, which must be the same."""
    await store.checkpoint()
    ours = await store.by_product(anchored=True)
    alone = await store.by_verifier(tmp_path / f"export-{ours.newest}", anchored=True)
    assert bool(ours.findings) == bool(alone.findings)
    return ours


async def test_a_purged_trace_is_a_signed_stub(store: ProofStore, bench: Bench, tmp_path: Path) -> None:
    """Content, wraps and tails are gone, the stub says by which rule, a checkpoint commits to it, and all is intact."""
    trace = await bench.trace(1)
    outcome = await bench.purger(store.traces).purge(trace, RULE)
    assert outcome.fate is Fate.GONE
    left = sorted(path.name for path in store.trace(1).iterdir() if path.name[0] != ".")
    assert left == ["manifest.json", "manifest.sig", "purge.json", "purge.sig"]
    record = PurgeRecord.from_json((store.trace(1) / "purge.json").read_bytes())
    assert (record.reason, record.rule, record.kept) == ("retention", RULE.rule, ())
    assert any(one["name"].endswith(".wrap") for one in record.removed)
    assert [one.header.session_id for one in (await bench.shelf.closed()).traces] == list(SESSIONS[1:])
    assert await bench.shelf.waiting() == []
    assert findings(await verified(store, tmp_path)) == []
    assert await store.ask("SELECT count(*) FROM checkpoint_facts WHERE fact = 'purged'") == 1


@pytest.mark.parametrize("steps", range(6))
async def test_whoever_dies_in_the_middle_of_a_purge_finishes_by_its_record(
    store: ProofStore, bench: Bench, tmp_path: Path, steps: int
) -> None:
    """Before whichever step the store goes away, the next run ends with the very record that was signed first."""
    trace = await bench.trace(3)
    dying = Failing(store.folder / "traces", steps)
    with pytest.raises(StoreUnreachable):
        await bench.purger(dying).purge(trace, RULE)
    begun = await bench.shelf.begun(store.clock())
    assert [one.trace.header.session_id for one in begun] == [SESSIONS[2]]
    assert (await bench.purger(store.traces).finish(begun[0])).fate is Fate.GONE
    assert (await bench.purger(store.traces).finish(begun[0])).fate is Fate.GONE  # harmless to repeat
    assert (store.trace(3) / "purge.json").read_bytes() == begun[0].content
    if steps in {0, 5}:
        assert findings(await verified(store, tmp_path)) == []


async def test_what_the_store_still_keeps_goes_by_no_rule(store: ProofStore, bench: Bench) -> None:
    """An object locked for longer than the policy, or held, stays whole; a trace that was touched stays as evidence."""
    locking = FolderStore(store.folder / "traces", retention=timedelta(days=400), now=store.clock)
    trace = await bench.trace(1)
    locking.put(trace.place, "later.bin", b"x", locked=True)
    outcome = await bench.purger(locking).purge(trace, RULE)
    assert outcome.fate is Fate.LOCKED
    assert outcome.until is not None
    assert outcome.until > store.clock() + timedelta(days=399)
    second = await bench.trace(2)
    locking.hold(second.place, held=True)
    assert (await bench.purger(locking).purge(second, RULE)).fate is Fate.HELD
    third = await bench.trace(3)
    (store.trace(3) / "manifest.json").write_bytes(b"{}")
    assert (await bench.purger(locking).purge(third, RULE)).fate is Fate.ALTERED
    shutil.rmtree(store.trace(4))
    assert (await bench.purger(locking).purge(await bench.trace(4), RULE)).fate is Fate.MISSING
    assert len(list(store.trace(1).glob("*.wrap"))) == len(list(store.trace(2).glob("*.wrap"))) == 2
    assert await bench.shelf.waiting() == []


@pytest.mark.parametrize("strange", ["folder", "link", "note"])
async def test_what_somebody_else_put_among_a_trace_s_files_makes_it_evidence(
    store: ProofStore, bench: Bench, strange: str
) -> None:
    """Gateway and console share the folder: what one puts there must not be what the other's every purge ends at."""
    place = store.trace(1) / (".lock.json" if strange == "note" else "zz")
    match strange:
        case "folder":
            place.mkdir()
        case "link":
            place.symlink_to(store.folder / "not-there")
        case _:
            place.write_text("{")
    trace = await bench.trace(1)
    assert (await bench.purger(store.traces).purge(trace, RULE)).fate is Fate.ALTERED
    assert len(list(store.trace(1).glob("*.wrap"))) == 2
    assert await bench.shelf.waiting() == []


@pytest.mark.parametrize("name", ["zz.wrap", "trace-000001.ecl", "manifest.sig", "purge.json"])
async def test_a_pipe_in_a_trace_is_found_and_holds_up_no_verification(store: ProofStore, name: str) -> None:
    """Waited at, as what is opened like a file, it would keep everybody's traces from being verified, and nobody would hear."""
    place = store.trace(3) / name
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    found = await store.by_product(anchored=False)
    assert [(one.place, one.name) for one in found.findings] == [("trace", SESSIONS[2])]
    assert found.counts["traces"] == len(SESSIONS)


def keep_long(store: ProofStore, trace: ClosedTrace) -> FolderStore:
    """A folder that keeps the segments of *trace* for 400 days."""
    locking = FolderStore(store.folder / "traces", retention=timedelta(days=400), now=store.clock)
    for one in locking.objects(trace.place):
        if one.name.endswith(".ecl"):
            data = locking.document(trace.place, one.name)
            (store.trace(1 + SESSIONS.index(trace.header.session_id)) / one.name).unlink()
            locking.put(trace.place, one.name, data, locked=True)
    return locking


async def test_an_erased_trace_that_the_store_keeps_can_be_read_no_more(
    store: ProofStore, bench: Bench, tmp_path: Path
) -> None:
    """Wraps go at once, locked segments stay and still verify; when the lock ends they go too, by the same record."""
    trace = await bench.trace(3)
    locking = keep_long(store, trace)
    outcome = await bench.purger(locking).purge(trace, ERASURE)
    assert outcome.fate is Fate.UNREADABLE
    assert locking.wraps(trace.place) == {}
    record = PurgeRecord.from_json((store.trace(3) / "purge.json").read_bytes())
    assert (record.reason, record.rule, list(record.decided_by)) == ("erasure", "tiers filmé", ["p1", "p2"])
    assert len(record.kept) == 6
    assert findings(await verified(store, tmp_path)) == []
    assert [one.trace.header.session_id for one in await bench.shelf.waiting()] == [SESSIONS[2]]
    assert await bench.shelf.begun(store.clock()) == []
    store.clock.at += timedelta(days=401)
    begun = await bench.shelf.begun(store.clock())
    assert (await bench.purger(locking).finish(begun[0])).fate is Fate.GONE
    assert list(store.trace(3).glob("*.ecl")) == []
    assert findings(await verified(store, tmp_path)) == []


@pytest.mark.parametrize("attack", ["flip", "wrap", "stranger"])
async def test_what_stays_of_an_erased_trace_is_still_held_to_its_manifest(
    store: ProofStore, bench: Bench, tmp_path: Path, attack: str
) -> None:
    """A byte turned in a kept segment, a wrap put back, or another file beside it is found by both verifiers."""
    trace = await bench.trace(3)
    wraps = store.traces.wraps(trace.place)
    await bench.purger(keep_long(store, trace)).purge(trace, ERASURE)
    folder = store.trace(3)
    if attack == "flip":
        path = next(folder.glob("*.ecl"))
        path.chmod(0o600)
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif attack == "wrap":
        (folder / next(iter(wraps))).write_bytes(next(iter(wraps.values())))
    else:
        (folder / "trace-000099.ecl").write_bytes(b"x")
    found = findings(await verified(store, tmp_path))
    assert [(place, name) for place, name, _ in found] == [("trace", SESSIONS[2])]


async def test_a_trace_that_is_not_sealed_cannot_be_made_unreadable(store: ProofStore, bench: Bench) -> None:
    """What the store keeps and no key guards is told as such, and untouched."""
    trace = await bench.trace(1)
    locking = keep_long(store, trace)
    clear = replace(trace, header=replace(trace.header, sealing=None))
    assert (await bench.purger(locking).purge(clear, ERASURE)).fate is Fate.CLEAR
    assert len(locking.wraps(trace.place)) == 2


def test_only_an_erasure_keeps_something() -> None:
    """A record of retention that names files as kept is none: content left behind cannot hide under the rule."""
    values: dict[str, Any] = {
        "session_id": "s",
        "hospital_id": "h",
        "manifest_sha256": "0" * 64,
        "purged_at": EPOCH,
        "reason": "retention",
        "decided_by": (),
        "rule": "r",
        "removed": (),
        "signer": "k",
        "kept": ({"name": "a.ecl", "bytes": 1},),
    }
    with pytest.raises(TraceFormatError, match="erased"):
        PurgeRecord(**values)


async def test_a_clock_put_forward_makes_nothing_old(store: ProofStore, bench: Bench) -> None:
    """Time that no checkpoint saw pass does not count, however far the clock is put."""
    trace = await bench.trace(1)
    now = store.clock() + timedelta(days=400)
    seen = await witness(store.database(), HOSPITAL, now, stamped=False)
    assert seen.doubt is None
    assert seen.age(trace.closed_at) < 5 * DAY
    store.clock.at = now
    await store.checkpoint()
    seen = await witness(store.database(), HOSPITAL, now + DAY, stamped=False)
    assert seen.age(trace.closed_at) < 6 * DAY


async def test_time_that_checkpoints_saw_pass_counts(store: ProofStore, bench: Bench) -> None:
    """A checkpoint a day makes a trace as old as it is; what lies before its end does not make it younger."""
    trace = await bench.trace(4)
    for _ in range(10):
        store.clock.at += DAY
        await store.checkpoint()
    seen = await witness(store.database(), HOSPITAL, store.clock(), stamped=False)
    assert seen.gaps == []
    assert seen.age(trace.closed_at) == seen.now - trace.closed_at


@pytest.mark.parametrize(
    ("ago", "stamped", "doubt"),
    [
        (None, True, "not_stamped"),
        (timedelta(days=3), True, "not_stamped"),
        (timedelta(hours=1), True, None),
        (timedelta(days=-1), False, "stamped_later"),
        (None, False, None),
    ],
)
async def test_stamps_confirm_the_time_or_nothing_goes(
    store: ProofStore, ago: timedelta | None, stamped: bool, doubt: str | None
) -> None:
    """Where an authority stamps, one of the last two days must; one of later than now says that the clock is wrong."""
    now = store.clock()
    if ago is not None:
        microseconds = int((now - ago).timestamp() * 1_000_000)
        await store.sql(
            "INSERT INTO checkpoint_stamps VALUES (:hospital, 1, 'a', :at, '')",
            hospital=HOSPITAL,
            at=microseconds,
        )
    assert (await witness(store.database(), HOSPITAL, now, stamped=stamped)).doubt == doubt


async def test_what_the_store_was_told_to_hold_is_known(store: ProofStore, bench: Bench) -> None:
    """The last word counts, for each trace apart."""
    for session, held in ((SESSIONS[0], True), (SESSIONS[1], True), (SESSIONS[0], False)):
        await bench.shelf.note_hold(session, held=held)
    assert list(await bench.shelf.held()) == [SESSIONS[1]]
