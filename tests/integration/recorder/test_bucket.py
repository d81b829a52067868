"""A recorder and its bucket, each side with the credentials that operators are told to give it, and no more."""

import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from ecluse.certificates import make_authority, make_server_certificate
from recorder.errors import StoreForbidden, StoreUnfit, StoreUnreachable, TraceNotFound, TraceSealed
from recorder.replay.reader import TraceReader, verify
from recorder.retention.purge import Fate, Order, Purger
from recorder.retention.shelf import PurgeShelf
from recorder.seal.signing import generate_key
from recorder.seal.wrapping import ReaderKey, generate_reader_key
from recorder.settings import BucketSettings, StoreCredentials
from recorder.store.bucket import Bucket
from recorder.store.database import Database
from recorder.store.folder import wall_clock
from recorder.store.objects import ObjectStore
from recorder.trace.frames import FrameType
from recorder.trace.place import TracePlace
from tests.support import s3
from tests.support.traces import EPOCH, header, passed, studio, unexpected
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)


def store_of(settings: BucketSettings, retention: timedelta = DAY) -> ObjectStore:
    """A store in that bucket."""
    return ObjectStore(settings, retention=retention, held=False, now=wall_clock)


@pytest.fixture
def gateway(tmp_path: Path) -> BucketSettings:
    """The bucket as the gateway opens it."""
    server = s3.own()
    return server.settings(tmp_path / "none", server.gateway)


@pytest.fixture
def console(tmp_path: Path) -> BucketSettings:
    """The bucket as the console opens it."""
    server = s3.own()
    return server.settings(tmp_path / "cache", server.console)


async def test_a_sealed_session_goes_through_the_bucket(
    tmp_path: Path, gateway: BucketSettings, console: BucketSettings
) -> None:
    """The gateway adds without being able to read; the console follows it live, and reads and proves it closed."""
    folder = tmp_path / "made"
    generate_reader_key(tmp_path / "reader.pem")
    # the recorder's clock here is of an earlier year, the server's is today's: so long that the lock stands
    told = {"bucket": gateway, "retention": 3000 * DAY, "reader_keys": (tmp_path / "reader.pem.pub",)}
    opened = header(hospital_id=uuid4().hex)
    place, reading = TracePlace.of(opened), store_of(console)
    async with studio(folder, **told) as made:
        recording = await made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"at work")
        await eventually(lambda: made.recorder.courier.state().lag_bytes == 0)
        spooled = (made.settings.spool / opened.session_id / "trace.ecl").read_bytes()
        assert reading.read(place, 0, 1 << 20) == spooled
        assert len(reading.wraps(place)) == 1
        await recording.close("client_left")
        assert made.alarms == []
        assert list(made.settings.spool.glob("[!.]*")) == []
    readers = [ReaderKey.load(tmp_path / "reader.pem")]
    with reading.opened(reading.find(place.hospital_id, place.session_id)) as local:
        assert verify(local, made.public_key).intact
        with TraceReader(local, readers) as reader:
            assert b"at work" in [frame.payload for frame in reader.frames()]
    bucket = Bucket(console)
    assert list(bucket.listed(f"{place.live}/")) == []
    with pytest.raises(StoreForbidden, match="keeps"):  # though the console's credentials may delete
        bucket.delete(each for each in bucket.versions(place.folder) if not each[0].endswith(".wrap"))


def test_the_gateways_credentials_only_add(gateway: BucketSettings, console: BucketSettings) -> None:
    """Whoever has them reads nothing and deletes nothing but tails; the console's write no trace."""
    place = TracePlace(uuid4().hex, uuid4().hex, wall_clock())
    adding, reading = store_of(gateway), store_of(console)
    adding.put(place, "a.wrap", b"wrap", locked=False)
    adding.put(place, "manifest.json", b"{}", locked=True)
    versions = list(Bucket(console).versions(place.folder))
    assert len(versions) == 2
    forbidden: dict[str, Callable[[], object]] = {
        "read": lambda: Bucket(gateway).read(versions[0][0], 0, 10),
        "lock": lambda: Bucket(gateway).lock(versions[0][0]),
        "delete": lambda: Bucket(gateway).delete(versions),
        "remove": lambda: Bucket(gateway).remove(versions[0][0]),
        "put as console": lambda: reading.put(place, "manifest.json", b"{ }", locked=True),
        "append as console": lambda: reading.append(place, Path(__file__), 0, 1),
    }
    allowed = []
    for name, act in forbidden.items():
        try:
            act()
        except StoreForbidden:
            continue
        allowed.append(name)
    assert allowed == []
    reading.put(place, "purge.json", b"{}", locked=True)  # what it writes of a purge apart
    assert len(list(Bucket(console).versions(place.folder))) == 3


async def test_the_consoles_credentials_delete_what_no_lock_keeps(
    tmp_path: Path, gateway: BucketSettings, console: BucketSettings
) -> None:
    """A new wrap replaces one, an erasure destroys wraps, a purge leaves the stub: each by the right on that object alone."""
    soon = timedelta(seconds=1)
    adding, reading = store_of(gateway, soon), store_of(console, soon)
    place, source = TracePlace(uuid4().hex, uuid4().hex, wall_clock()), tmp_path / "trace"
    source.write_bytes(bytes(100))
    digest = hashlib.sha256(bytes(100)).hexdigest()
    for name in ("a.wrap", "b.wrap"):
        adding.put(place, name, b"wrap", locked=False)
    adding.append(place, source, 0, 50)
    adding.seal(place, {"name": "trace-000001.ecl", "bytes": 100, "sha256": digest}, source, 0)
    for name in ("manifest.json", "manifest.sig"):
        adding.put(place, name, b"{}", locked=True)
    reading.put_wrap(place, "a.wrap", b"another")
    reading.destroy_wrap(place, "b.wrap")
    assert reading.wraps(place) == {"a.wrap": b"another"}
    assert reading.destroy_wraps(place) == 1
    with pytest.raises(StoreForbidden):
        Bucket(gateway).delete(Bucket(console).versions(place.folder))
    await eventually(
        lambda: all((one.retain_until or EPOCH) < wall_clock() for one in reading.objects(place))
    )
    reading.delete(place, keep_stub=True)
    left = {key.rpartition("/")[2] for key, _ in Bucket(console).versions(place.folder)}
    assert left == {"manifest.json", "manifest.sig"}


def test_the_consoles_credentials_add_checkpoints_under_lock(console: BucketSettings) -> None:
    """The one thing that the console writes: a checkpoint's file, which its own credentials then cannot delete."""
    hospital = uuid4().hex
    store_of(console).keep(hospital, "2026/0000000001.json", b"{}")
    [(key, version)] = Bucket(console).versions(f"{hospital}/")
    assert key == f"{hospital}/checkpoints/2026/0000000001.json"
    with pytest.raises(StoreForbidden):
        Bucket(console).delete([(key, version)])


def test_what_somebody_puts_beside_a_trace_is_none_of_it(gateway: BucketSettings, tmp_path: Path) -> None:
    """Names that lead out of the folder, or lie deeper in it, hide no segment, make no trace and leave no file."""
    store = store_of(s3.own().settings(tmp_path / "cache"))
    place = TracePlace(uuid4().hex, uuid4().hex, wall_clock())
    store.put(place, "trace-000001.ecl", b"the real one", locked=True)
    store.put(place, "manifest.json", b"{}", locked=True)
    hostile = Bucket(gateway)
    for name in ("zz/trace-000001.ecl", "zz/manifest.json", ".hidden", "²"):
        hostile.put(f"{place.folder}/{name}", b"put there")
    hostile.put(f"{place.hospital_id}/not/a/day/at/all/manifest.json", b"{}")
    for name in ("zz/00000000000000000012", "²", "12"):
        hostile.put(f"{place.live}/{name}", b"put there")
    assert store.sessions(place.hospital_id) == [place.session_id]
    assert store.read(place, 0, 100) == b"the real one"
    assert store.read(place, 12, 100) == b""
    with store.opened(store.find(place.hospital_id, place.session_id)) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "trace-000001.ecl"]
        assert (folder / "trace-000001.ecl").read_bytes() == b"the real one"


def test_what_is_written_over_is_not_lost(gateway: BucketSettings, console: BucketSettings) -> None:
    """A segment put again under the same name is a second version: the first stays, locked."""
    place = TracePlace(uuid4().hex, uuid4().hex, wall_clock())
    adding = store_of(gateway)
    adding.put(place, "manifest.json", b"first", locked=True)
    adding.put(place, "manifest.json", b"second", locked=True)
    kept = list(Bucket(console).versions(place.folder))
    assert len(kept) == 2
    with pytest.raises(StoreForbidden, match="keeps"):
        Bucket(console).delete(kept)


@pytest.mark.parametrize("wrong", ["access", "secret"])
def test_wrong_credentials_are_said_plainly(gateway: BucketSettings, wrong: str) -> None:
    """An unknown access key and a wrong secret are told from a store that is down, and neither is shown."""
    right = gateway.credentials
    bad = StoreCredentials("AKIAUNKNOWN", "hush") if wrong == "access" else replace(right, secret_key="hush")
    with pytest.raises(StoreForbidden, match="does not accept the credentials") as refused:
        store_of(replace(gateway, credentials=bad)).check(10)
    assert "hush" not in str(refused.value)
    assert "hush" not in repr(replace(gateway, credentials=bad))


def test_a_bucket_that_cannot_keep_traces_is_named(tmp_path: Path) -> None:
    """No bucket, no object lock, or a lock on everything: the store is unfit, and says what to do."""
    server = s3.own()
    told = server.settings(tmp_path)
    store_of(told).examine()
    with pytest.raises(StoreUnfit, match="NoSuchBucket"):
        store_of(replace(told, bucket="there-is-none")).check(10)
    server.bucket("without-lock")
    with pytest.raises(StoreUnfit, match="keeps no versions"):
        store_of(replace(told, bucket="without-lock")).examine()


def test_what_lies_about_is_no_setting(
    gateway: BucketSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Profiles, proxies and addresses in the environment or the home directory lead the store nowhere else."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "[default]\nendpoint_url = http://127.0.0.1:1\nregion = nowhere\n"
    )
    astray = {"HOME": str(tmp_path), "AWS_PROFILE": "nobody", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    astray |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:1")
    for name, value in astray.items():
        monkeypatch.setenv(name, value)
    store_of(gateway).check(10)


async def test_the_server_shows_a_certificate_that_is_vouched_for(
    gateway: BucketSettings, tmp_path: Path
) -> None:
    """Over TLS the bucket serves under a CA that the settings name, and is unfit under none or another name."""
    make_authority(tmp_path, "store", datetime.now(UTC))
    make_server_certificate(tmp_path, ["127.0.0.1"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "api.pem", tmp_path / "api.key")
    relays: list[asyncio.Task[None]] = []

    def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.append(asyncio.create_task(_relayed(reader, writer)))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    vouched = replace(gateway, endpoint=f"https://127.0.0.1:{port}", authority=tmp_path / "ca.pem")
    unknown = replace(vouched, authority=None)
    misnamed = replace(vouched, endpoint=f"https://localhost:{port}")
    try:
        await asyncio.to_thread(store_of(vouched).check, 10)
        for told in (unknown, misnamed):
            with pytest.raises(StoreUnfit, match="certificate"):
                await asyncio.to_thread(store_of(told).check, 10)
    finally:
        server.close()
        for each in relays:
            each.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def _relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What stands before a store and speaks TLS for it."""
    behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", s3.own().port)

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()

    try:
        await asyncio.gather(pipe(reader, behind_writer), pipe(behind_reader, writer))
    finally:
        behind_writer.transport.abort()
        writer.transport.abort()


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A trace that cannot be fetched for want of a place is no trace that is broken."""
    store = store_of(s3.settings(tmp_path / "cache", f"test/{uuid4().hex}"))
    place = TracePlace(uuid4().hex, uuid4().hex, wall_clock())
    store.put(place, "manifest.json", b"{}", locked=True)
    (tmp_path / "cache").write_bytes(b"in the way")
    with pytest.raises(StoreUnreachable, match="cache"), store.opened(place):
        pass


def test_a_store_that_is_not_there_or_hangs_is_out_of_reach(gateway: BucketSettings) -> None:
    """A closed port and a server that accepts and never answers are told within the time that was given."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        hanging = replace(gateway, endpoint=f"http://127.0.0.1:{port}")
        started = time.monotonic()
        with pytest.raises(StoreUnreachable):
            store_of(hanging).check(0.4)
        assert time.monotonic() - started < 20
    with pytest.raises(StoreUnreachable):
        store_of(replace(gateway, endpoint=f"http://127.0.0.1:{port}")).check(1)


def test_what_is_read_leaves_the_cache_when_it_is_full(tmp_path: Path) -> None:
    """The cache holds no more than it may once nobody reads, and nothing of a process that is gone."""
    told = replace(s3.settings(tmp_path / "cache", f"test/{uuid4().hex}"), cache_bytes=1500)
    store = store_of(told)
    places = [TracePlace(uuid4().hex, uuid4().hex, wall_clock()) for _ in range(3)]
    for place in places:
        source = tmp_path / place.session_id
        source.write_bytes(bytes(1000))
        digest = hashlib.sha256(bytes(1000)).hexdigest()
        store.seal(place, {"name": "trace-000001.ecl", "bytes": 1000, "sha256": digest}, source, 0)
        store.put(place, "manifest.json", b"{}", locked=True)
    with store.opened(places[0]) as one, store.opened(places[1]) as two:
        assert one.exists()
        assert two.exists()
    assert [one.exists(), two.exists()] == [True, False]
    with pytest.raises(TraceNotFound), store.opened(TracePlace("h", "s", wall_clock())):
        pass
    del store
    with store_of(told).opened(places[2]):
        assert len(list((tmp_path / "cache").iterdir())) == 1


async def test_an_erased_trace_that_the_bucket_keeps_is_read_by_nobody(
    tmp_path: Path, gateway: BucketSettings, console: BucketSettings
) -> None:
    """By the console's own policy: wraps go in every version, locked segments stay unread, the signed record is locked in turn."""
    generate_reader_key(tmp_path / "reader.pem")
    key = generate_key(tmp_path / "checkpoint.pem")
    told = {"bucket": gateway, "retention": 400 * DAY, "reader_keys": (tmp_path / "reader.pem.pub",)}
    opened = header(hospital_id=uuid4().hex)
    server = s3.own()
    owner = Bucket(server.settings(tmp_path / "owners-cache"))
    place, store = TracePlace.of(opened), store_of(console)
    holding = store_of(server.settings(tmp_path / "holders-cache", server.holder))
    async with studio(tmp_path / "made", **told) as made:
        recording = await made.recorder.open(opened, unexpected)
        await passed(recording, FrameType.OUTPUT, 1, b"at work")
        await recording.close("client_left")
        database = Database(made.settings.catalog_url)
        public = made.public_key
    try:
        shelf = PurgeShelf(database, place.hospital_id, wall_clock)
        trace = (await shelf.closed()).traces[0]
        with store.opened(place) as cached:
            assert list(cached.glob("*.wrap"))
        purger = Purger(shelf, store, key, wall_clock)
        assert (await purger.purge(trace, Order("retention", "rule"))).fate is Fate.LOCKED
        owner.remove(f"{place.folder}/put-here.bin")  # a mark of deletion, that somebody left there
        with pytest.raises(
            StoreForbidden
        ):  # Amazon's and MinIO's would: where this one does too, `holder` is to go
            store.hold(place, held=True)
        holding.hold(place, held=True)
        assert (await purger.purge(trace, Order("erasure", "tiers", ("a", "b")))).fate is Fate.HELD
        assert len(store.wraps(place)) == 1
        holding.hold(place, held=False)
        outcome = await purger.purge(trace, Order("erasure", "tiers", ("a", "b")))
        assert (outcome.fate, store.wraps(place)) == (Fate.UNREADABLE, {})
        assert not cached.exists()
        names = {one.name: one.retain_until for one in store.objects(place)}
        assert sorted(names) == [
            "manifest.json",
            "manifest.sig",
            "purge.json",
            "purge.sig",
            "trace-000001.ecl",
        ]
        assert all(until is not None for until in names.values())
        assert not [each for each in owner.versions(f"{place.folder}/") if each[0].endswith(".wrap")]
        with store.opened(place) as local:
            assert verify(local, public, consoles=[key.public]).intact
            with (
                pytest.raises(TraceSealed),
                TraceReader(local, [ReaderKey.load(tmp_path / "reader.pem")]) as reader,
            ):
                list(reader.frames())
        later = ObjectStore(console, retention=DAY, held=False, now=lambda: wall_clock() + 500 * DAY)
        ending = Purger(shelf, later, key, lambda: wall_clock() + 500 * DAY)
        begun = await shelf.begun(wall_clock() + 500 * DAY)
        with pytest.raises(StoreForbidden, match="keeps"):  # the server has a clock of its own
            await ending.finish(begun[0])
        assert [one.trace.header.session_id for one in await shelf.waiting()] == [place.session_id]
    finally:
        await database.dispose()
