"""What every trace store promises, a folder as much as a bucket."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from recorder.errors import TraceFormatError, TraceLocked, TraceNotFound
from recorder.ports import TraceStore
from recorder.store.folder import FolderStore, wall_clock
from recorder.store.objects import ObjectStore
from recorder.trace.manifest import StoredFile, segment_name
from recorder.trace.place import MAX_DOCUMENT, TracePlace
from tests.support import s3
from tests.support.traces import EPOCH
from tests.support.waiting import until

pytestmark = pytest.mark.integration
Make = Callable[..., TraceStore]
DAY = timedelta(days=1)


@pytest.fixture(params=["folder", "bucket"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes stores of one kind that share their content."""
    prefix = f"test/{uuid4().hex}"

    def made(retention: timedelta = DAY, *, held: bool = False) -> TraceStore:
        if request.param == "folder":
            return FolderStore(tmp_path / "store", retention=retention, held=held)
        told = s3.settings(tmp_path / "cache", prefix)
        return ObjectStore(told, retention=retention, held=held, now=wall_clock)

    return made


@pytest.fixture
def place() -> TracePlace:
    """A trace's place that no other test uses."""
    return TracePlace(uuid4().hex, uuid4().hex, EPOCH)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A trace file in the spool."""
    path = tmp_path / "trace.ecl"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def segment(spool: Path, number: int, start: int, end: int) -> StoredFile:
    """What is told of a segment of the spool's file."""
    data = spool.read_bytes()[start:end]
    return {"name": segment_name(number), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def close(store: TraceStore, place: TracePlace, spool: Path) -> None:
    """Bring a whole trace of two segments, a wrap and a manifest."""
    store.put(place, "a.wrap", b"wrapped", locked=False)
    store.seal(place, segment(spool, 1, 0, 4000), spool, 0)
    store.seal(place, segment(spool, 2, 4000, 10240), spool, 4000)
    store.put(place, "manifest.sig", b"signature", locked=True)
    store.put(place, "manifest.json", b"{}", locked=True)


def test_a_tail_grows_and_is_read_from_anywhere(make: Make, place: TracePlace, spool: Path) -> None:
    """What grew is read from any offset, by pieces that overlap or follow; beyond its end there is nothing yet."""
    store, data = make(), spool.read_bytes()
    with pytest.raises(TraceNotFound):
        store.read(place, 0, 100)
    store.append(place, spool, 0, 100)
    store.append(place, spool, 0, 300)
    store.append(place, spool, 300, 1000)
    assert store.read(place, 0, 5000) == data[:1000]
    assert store.read(place, 50, 500) == data[50:550]
    assert store.read(place, 299, 10) == data[299:309]
    assert store.read(place, 999, 10) == data[999:1000]
    assert store.read(place, 1000, 10) == b""
    with pytest.raises(TraceNotFound):  # it is live
        store.find(place.hospital_id, place.session_id, place.opened_at)


def test_a_sealed_segment_takes_the_place_of_its_tail(make: Make, place: TracePlace, spool: Path) -> None:
    """Reading goes on over the border of a segment and what grows behind it, as if nothing had happened."""
    store, data = make(), spool.read_bytes()
    store.append(place, spool, 0, 3000)
    store.seal(place, segment(spool, 1, 0, 4000), spool, 0)
    store.seal(place, segment(spool, 1, 0, 4000), spool, 0)  # its answer had not come
    store.append(place, spool, 4000, 6000)
    assert store.read(place, 2000, 9000) == data[2000:4000]
    assert store.read(place, 4000, 9000) == data[4000:6000]
    store.seal(place, segment(spool, 2, 4000, 10240), spool, 4000)
    assert store.read(place, 5000, 9000) == data[5000:]
    store.drop_tails(place)
    store.drop_tails(place)
    assert store.read(place, 10240, 10) == b""


def test_a_closed_trace_is_lent_as_a_folder(make: Make, place: TracePlace, spool: Path) -> None:
    """Once its manifest is there a trace is found, listed and lent, with the bytes that were in the spool."""
    store = make()
    close(store, place, spool)
    close(store, place, spool)  # whoever does not know whether it arrived brings it again
    assert store.find(place.hospital_id, place.session_id, place.opened_at).folder == place.folder
    assert store.find(place.hospital_id, place.session_id).folder == place.folder
    assert store.sessions(place.hospital_id) == [place.session_id]
    assert store.sessions("0" * 32) == []
    for _ in range(2):
        with store.opened(place) as folder:
            found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}
        assert sorted(found) == ["a.wrap", "manifest.json", "manifest.sig", segment_name(1), segment_name(2)]
        assert found[segment_name(1)] + found[segment_name(2)] == spool.read_bytes()
    assert store.wraps(place) == {"a.wrap": b"wrapped"}
    missing = TracePlace(place.hospital_id, "nobody", EPOCH)
    with pytest.raises(TraceNotFound):
        store.find(missing.hospital_id, missing.session_id, EPOCH)
    with pytest.raises(TraceNotFound), store.opened(missing):
        pass


def test_a_segment_that_is_not_what_was_cut_is_refused(make: Make, place: TracePlace, spool: Path) -> None:
    """A spool whose bytes changed after the cut fills no segment."""
    store = make()
    cut = segment(spool, 1, 0, 4000)
    spool.write_bytes(bytes(10240))
    with pytest.raises(TraceFormatError, match="not what was cut"):
        store.seal(place, cut, spool, 0)


def test_what_is_locked_cannot_be_deleted(make: Make, place: TracePlace, spool: Path) -> None:
    """Segments and manifest are kept until their retention is over; wraps and tails are not."""
    store = make()
    close(store, place, spool)
    kept = {each.name: each for each in store.objects(place)}
    assert kept["a.wrap"].retain_until is None
    for name in ("manifest.json", "manifest.sig", segment_name(1), segment_name(2)):
        ends = kept[name].retain_until
        assert ends is not None
        assert abs(ends - datetime.now(UTC) - DAY) < timedelta(minutes=2)
        assert not kept[name].held
    assert kept[segment_name(1)].size == 4000
    with pytest.raises(TraceLocked, match="kept until"):
        store.delete(place)
    with store.opened(place) as folder:
        assert (folder / segment_name(2)).exists()


def test_an_erased_trace_keeps_all_but_its_wraps(make: Make, place: TracePlace, spool: Path) -> None:
    """Destroying the wraps leaves no version of one behind, and everything else as it was."""
    store = make()
    store.put(place, "a.wrap", b"wrapped", locked=False)
    close(store, place, spool)
    with store.opened(place) as folder:
        assert (folder / "a.wrap").exists()
    assert store.destroy_wraps(place) == 1
    assert store.destroy_wraps(place) == 0
    assert store.wraps(place) == {}
    with store.opened(place) as folder:
        assert not (folder / "a.wrap").exists()
        assert (folder / segment_name(1)).exists()


def test_a_wrap_is_added_replaced_and_destroyed(make: Make, place: TracePlace, spool: Path) -> None:
    """A wrap that comes later is there, one of the same name takes its place, and none other is touched by either."""
    store = make()
    with pytest.raises(TraceNotFound):
        store.put_wrap(place, "b.wrap", b"later")
    close(store, place, spool)
    store.put_wrap(place, "b.wrap", b"later")
    with store.opened(place) as folder:
        assert (folder / "b.wrap").read_bytes() == b"later"
    store.put_wrap(place, "b.wrap", b"a note in its place")
    store.put_wrap(place, "b.wrap-2.wrap", b"another")
    assert store.wraps(place) == {
        "a.wrap": b"wrapped",
        "b.wrap": b"a note in its place",
        "b.wrap-2.wrap": b"another",
    }
    with store.opened(place) as folder:
        assert (folder / "b.wrap").read_bytes() == b"a note in its place"
    store.destroy_wrap(place, "b.wrap")
    store.destroy_wrap(place, "b.wrap")
    assert store.wraps(place) == {"a.wrap": b"wrapped", "b.wrap-2.wrap": b"another"}
    assert store.destroy_wraps(place) == 2
    for name in ("manifest.json", "../a.wrap"):
        with pytest.raises(TraceFormatError):
            store.put_wrap(place, name, b"x")


def test_a_hold_outlives_every_retention(make: Make, place: TracePlace, spool: Path) -> None:
    """What is held is neither deleted nor erased until the hold is lifted; then it is, where its time is over."""
    store = make(timedelta(seconds=1))
    close(store, place, spool)
    store.hold(place, held=True)
    assert all(each.held for each in store.objects(place) if each.name != "a.wrap")
    with pytest.raises(TraceLocked, match="hold"):
        store.delete(place)
    with pytest.raises(TraceLocked, match="hold"):
        store.destroy_wraps(place)
    store.hold(place, held=False)
    make(DAY).put(place, "purge.json", b"{}", locked=True)
    assert _deleted(store, place, keep_stub=True) == 3
    assert [each.name for each in store.objects(place)] == ["manifest.json", "manifest.sig", "purge.json"]
    with pytest.raises(TraceLocked, match="kept until"):
        store.delete(place)


def test_a_trace_whose_time_is_over_goes_whole(make: Make, place: TracePlace, spool: Path) -> None:
    """Nothing of it is left to be found, read or listed, and its tail goes with it."""
    store = make(timedelta(seconds=1))
    store.append(place, spool, 0, 100)
    close(store, place, spool)
    assert _deleted(store, place) == 5
    with pytest.raises(TraceNotFound):
        store.delete(place)
    with pytest.raises(TraceNotFound):
        store.read(place, 0, 1)


def test_new_traces_may_come_under_a_hold(make: Make, place: TracePlace, spool: Path) -> None:
    """A store that is told so holds whatever arrives."""
    close(make(timedelta(seconds=1), held=True), place, spool)
    store = make()
    assert {each.held for each in store.objects(place) if each.name != "a.wrap"} == {True}
    store.hold(place, held=False)
    _deleted(store, place)


def test_a_store_that_serves_says_so(make: Make) -> None:
    """Whether it could take a trace now is found by putting something, which leaves nothing behind."""
    make().check(20)
    make().check(20)


def test_no_identifier_leaves_the_store(make: Make, place: TracePlace) -> None:
    """Identifiers and names that could walk through the store are refused everywhere."""
    store = make()
    for bad in ("../x", "..", "", "a/b", ".incoming", "a\0b", "x" * 81, "*", "é"):
        with pytest.raises(TraceNotFound):
            store.find(place.hospital_id, bad)
        with pytest.raises(TraceNotFound):
            store.find(bad, "s1", EPOCH)
        with pytest.raises(TraceFormatError):
            store.sessions(bad)
        with pytest.raises(TraceFormatError):
            TracePlace(bad, "s1", EPOCH)
        with pytest.raises(TraceFormatError):
            store.put(place, bad, b"", locked=False)
    with pytest.raises(TraceFormatError):
        TracePlace("live", "s1", EPOCH)


def _deleted(store: TraceStore, place: TracePlace, *, keep_stub: bool = False) -> int:
    """Delete the trace as soon as its retention of a second lets it go; how many objects there were."""
    gone: list[int] = []

    def tried() -> bool:
        try:
            gone.append(store.delete(place, keep_stub=keep_stub))
        except TraceLocked:
            return False
        return True

    until(tried, "the retention's end")
    return gone[0]


def test_a_checkpoints_file_is_kept_beside_the_days_and_is_no_trace(make: Make, place: TracePlace) -> None:
    """It may come twice; a name that could be another place is refused; no list of traces shows it."""
    store = make()
    for _ in range(2):
        store.keep(place.hospital_id, "2026/0000000001.json", b"{}")
    assert list(store.sessions(place.hospital_id)) == []
    for name in ("../x.json", "2026/../x", "2026/", "x", "2026/a/b", "/2026/x"):
        with pytest.raises(TraceFormatError):
            store.keep(place.hospital_id, name, b"{}")
    with pytest.raises(TraceFormatError):
        store.keep("live", "2026/0000000001.json", b"{}")


def test_a_small_file_is_read_without_the_rest(make: Make, place: TracePlace, spool: Path) -> None:
    """The manifest comes alone; what is not there, or is too large to be one, is refused; forgetting harms nothing."""
    store = make()
    close(store, place, spool)
    assert store.document(place, "manifest.json") == b"{}"
    with pytest.raises(TraceNotFound):
        store.document(place, "purge.json")
    store.put(place, "large.bin", bytes(MAX_DOCUMENT + 1), locked=False)
    with pytest.raises(TraceFormatError, match="too large"):
        store.document(place, "large.bin")
    with store.opened(place) as folder:
        store.forget(place)
        assert (folder / "manifest.json").read_bytes() == b"{}"
    store.forget(place)
    with store.opened(place) as folder:
        assert (folder / "manifest.json").read_bytes() == b"{}"
