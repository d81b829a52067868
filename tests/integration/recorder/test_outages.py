"""A trace store that is down, hangs, fails, forbids, is full, stuck, gone, narrow, or comes and goes: each for real."""

import asyncio
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from recorder.capture.reach import StoreState
from recorder.capture.session import Recording
from recorder.replay.reader import TraceReader, verify
from recorder.trace.frames import FrameType
from recorder.trace.header import TraceHeader
from recorder.trace.place import TracePlace
from tests.support import s3
from tests.support.disks import freezable_disk, small_disk
from tests.support.traces import Studio, header, passed, studio, unexpected
from tests.support.waiting import eventually
from tests.support.way_to_store import Way, WayToStore, way_to

pytestmark = pytest.mark.integration
SHORT = {
    "patience_seconds": 0.3,
    "retry_seconds": 0.2,
    "probe_seconds": 0.3,
    "steady_seconds": 0.6,
    "write_timeout_seconds": 4.0,
}
ECHO = 2.0
"""Seconds that no keystroke may wait, whatever the store does; a store is waited for longer than that."""
ONCE = ["alarm.store_unreachable", "store.reachable", "store.gap"]


@dataclass
class Place:
    """Where the store is, and how it breaks and is mended."""

    settings: dict[str, Any]
    strike: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]
    kind: str


@asynccontextmanager
async def behind(folder: Path, way: Way, kind: str) -> AsyncIterator[Place]:
    """A bucket of a real server, whose way is cut."""
    server = s3.own()
    async with way_to(server.port) as led:
        yield Place({"bucket": bucket(led, folder)}, lambda: led.lead(way), lambda: led.lead(Way.OPEN), kind)


def bucket(led: WayToStore, folder: Path) -> Any:
    """The bucket, by that way."""
    found = s3.own().settings(folder / "cache")
    return replace(found, endpoint=led.endpoint, prefix=uuid4().hex, timeout_seconds=3)


@asynccontextmanager
async def gone(folder: Path) -> AsyncIterator[Place]:
    """A folder whose disk is not mounted any more: an empty one stands in its place."""
    store, away = folder / "store", folder / "away"

    async def strike() -> None:
        store.rename(away)
        store.mkdir()

    async def mend() -> None:
        assert not list(store.iterdir()), "something was written beside the store"
        store.rmdir()
        away.rename(store)

    yield Place({"store": store}, strike, mend, "StoreUnreachable")


@asynccontextmanager
async def forbidden(folder: Path) -> AsyncIterator[Place]:
    """A disk that became read-only."""
    with small_disk(folder, 8 << 20) as disk:

        async def remount(mode: str) -> None:
            command = ("mount", "-o", f"remount,{mode}", str(disk))
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)

        yield Place({"store": disk}, lambda: remount("ro"), lambda: remount("rw"), "StoreForbidden")


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[Place]:
    """A disk that somebody else filled, to the last page but one."""
    with small_disk(folder, 8 << 20) as disk:
        filler = disk / "filler"

        async def strike() -> None:
            status = os.statvfs(disk)
            with filler.open("wb") as file:
                file.write(bytes(status.f_bavail * status.f_frsize - status.f_frsize))

        async def mend() -> None:
            filler.unlink()

        yield Place({"store": disk}, strike, mend, "StoreFull")


@asynccontextmanager
async def stuck(folder: Path) -> AsyncIterator[Place]:
    """A disk on which every write blocks in the kernel."""
    with freezable_disk(folder) as disk:

        async def strike() -> None:
            await asyncio.to_thread(disk.freeze)

        async def mend() -> None:
            await asyncio.to_thread(disk.thaw)

        yield Place({"store": disk.path / "store"}, strike, mend, "StoreUnreachable")


FAULTS: dict[str, Callable[[Path], Any]] = {
    "down": lambda folder: behind(folder, Way.DOWN, "StoreUnreachable"),
    "hanging": lambda folder: behind(folder, Way.HANGING, "StoreUnreachable"),
    "failing": lambda folder: behind(folder, Way.FAILING, "StoreUnreachable"),
    "bucket-forbidden": lambda folder: behind(folder, Way.FORBIDDEN, "StoreForbidden"),
    "gone": gone,
    "read-only": forbidden,
    "full": full,
    "stuck": stuck,
}


async def typed(recording: Recording, count: int) -> None:
    """Type, and hold that keystrokes do not wait for the store: all would, where a machine that stands still holds up one."""
    waited = []
    for _ in range(count):
        began = time.monotonic()
        await passed(recording, FrameType.OUTPUT, 1, os.urandom(4096))
        waited.append(time.monotonic() - began)
    assert statistics.median(waited) < ECHO, waited


def names(made: Studio) -> list[str]:
    """What was told, in order."""
    return [name for name, _ in made.alarms]


def state(made: Studio) -> StoreState:
    """How the store does."""
    return made.recorder.state()


async def proved(made: Studio, opened: TraceHeader, frames: int) -> None:
    """Hold that a trace is in the store, whole, and has so many frames of output."""
    assert not (made.settings.spool / opened.session_id).exists()

    def look() -> int:
        with made.recorder.store.opened(TracePlace.of(opened)) as folder:
            found = verify(folder, made.public_key)
            assert found.intact, found
            with TraceReader(folder) as reader:
                return sum(frame.type is FrameType.OUTPUT for frame in reader.frames())

    # in a thread: the way to the store is on this loop
    assert await asyncio.to_thread(look) == frames


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_stops_no_recording_and_loses_nothing(tmp_path: Path, fault: str) -> None:
    """Frames pass and sessions end in their time; on return all of it is shipped, and one gap report tells of it."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(FAULTS[fault](tmp_path))
        made = await stack.enter_async_context(studio(tmp_path / "made", **SHORT, **place.settings))
        live, left, late = header(), header(), header()
        staying = await made.recorder.open(live, unexpected)
        leaving = await made.recorder.open(left, unexpected)
        await typed(staying, 3)
        await typed(leaving, 3)
        await eventually(lambda: state(made).lag_bytes == 0)
        await place.strike()
        try:
            await typed(staying, 5)
            await typed(leaving, 5)
            await eventually(lambda: state(made).unreachable_since is not None)
            assert names(made) == ONCE[:1]
            await eventually(lambda: type(state(made).error).__name__ == place.kind)
            newcomer = await made.recorder.open(late, unexpected)
            await typed(newcomer, 5)
            began = time.monotonic()
            await leaving.close("client_left")
            assert time.monotonic() - began < 15
            await typed(staying, 5)
            seen = state(made)
            assert seen.silent_seconds > 0
            await eventually(lambda: state(made).spool_bytes > 4096 * 9)
            assert not seen.spool_full
            assert names(made) == ONCE[:1]
        finally:
            await place.mend()
        await eventually(lambda: names(made) == ONCE)
        assert state(made).unreachable_since is None
        report = made.alarms[-1][1]
        told = {one["session_id"]: one for one in report["sessions"]}
        assert set(told) == {live.session_id, left.session_id, late.session_id}
        assert report["session_count"] == 3
        assert report["since"] < report["until"] <= report["shipped_at"]
        assert told[left.session_id]["records"] == 6
        assert told[late.session_id]["bytes"] > 4096 * 5
        assert report["bytes"] == sum(one["bytes"] for one in told.values())
        assert "missing" not in report
        await typed(staying, 2)
        await staying.close("client_left")
        await newcomer.close("client_left")
        await eventually(lambda: not list(made.settings.spool.glob("[!.]*")))
        await proved(made, live, 15)
        await proved(made, left, 8)
        await proved(made, late, 5)
        assert names(made) == ONCE


async def test_a_narrow_way_is_no_outage(tmp_path: Path) -> None:
    """Slow is served: traces fall behind, are seen to, and arrive; nobody is alarmed and nobody's echo waits."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(behind(tmp_path, Way.NARROW, ""))
        made = await stack.enter_async_context(studio(tmp_path / "made", **SHORT, **place.settings))
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await place.strike()
        for _ in range(4):
            await passed(recording, FrameType.OUTPUT, 1, os.urandom(64 << 10), ECHO)
        await eventually(lambda: state(made).lag_seconds > 0.2)
        await typed(recording, 10)
        await eventually(lambda: state(made).lag_bytes == 0)
        assert state(made).unreachable_since is None
        assert made.alarms == []
        await place.mend()
        await recording.close("client_left")
        await proved(made, opened, 14)


async def test_one_lost_answer_is_no_outage(tmp_path: Path) -> None:
    """A connection that the server closed under a request is one: it is asked again at once, and nobody is alarmed."""
    async with AsyncExitStack() as stack:
        led = await stack.enter_async_context(way_to(s3.own().port))
        told = {**SHORT, "bucket": bucket(led, tmp_path), "probe_seconds": 1.0}
        made = await stack.enter_async_context(studio(tmp_path / "made", **told))
        await eventually(lambda: state(made).reachable_since is not None)
        led.lost = 1
        await eventually(lambda: state(made).error is not None)
        await eventually(lambda: state(made).error is None)
        assert made.alarms == []
        assert state(made).unreachable_since is None


async def test_a_session_that_ends_as_the_store_goes_is_told_by_the_outage_alone(tmp_path: Path) -> None:
    """Its trace is refused before anybody knows of an outage: that is no alarm of its own, and it arrives."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(gone(tmp_path))
        made = await stack.enter_async_context(studio(tmp_path / "made", **SHORT, **place.settings))
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await typed(recording, 3)
        await place.strike()
        try:
            await recording.close("client_left")
            await eventually(lambda: bool(names(made)))
        finally:
            await place.mend()
        await eventually(lambda: names(made) == ONCE)
        await proved(made, opened, 3)


async def test_a_store_that_comes_and_goes_is_one_outage(tmp_path: Path) -> None:
    """Cut and restored again and again: one alarm, one return, one report that counts, and records in order."""
    async with AsyncExitStack() as stack:
        led = await stack.enter_async_context(way_to(s3.own().port))
        told = {**SHORT, "bucket": bucket(led, tmp_path), "steady_seconds": 4.0}
        made = await stack.enter_async_context(studio(tmp_path / "made", **told))
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        for turn in range(4):
            await led.lead(Way.DOWN)
            await typed(recording, 3)
            await eventually(lambda: not made.recorder._reach.worth_trying)
            if turn == 0:
                await eventually(lambda: bool(names(made)))
            await led.lead(Way.OPEN)
            await eventually(lambda: state(made).lag_bytes == 0 and state(made).error is None)
        assert names(made) == ONCE[:1]
        await eventually(lambda: names(made) == ONCE)
        assert made.alarms[-1][1]["relapses"] == 3
        await recording.close("client_left")
        await proved(made, opened, 12)


async def test_the_spool_is_bounded(tmp_path: Path) -> None:
    """At 80 % of what may wait there is an alarm, at 100 % the state says so, and both are over once it is shipped."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(gone(tmp_path))
        told = {**SHORT, **place.settings, "spool_quota_bytes": 256 << 10}
        made = await stack.enter_async_context(studio(tmp_path / "made", **told))
        recording = await made.recorder.open(header(), unexpected)
        await eventually(lambda: state(made).lag_bytes == 0)
        await place.strike()
        try:
            await passed(recording, FrameType.OUTPUT, 1, os.urandom(220 << 10))
            await eventually(lambda: "alarm.spool_filling" in names(made))
            assert not state(made).spool_full
            await passed(recording, FrameType.OUTPUT, 1, os.urandom(64 << 10))
            assert state(made).spool_full
            await eventually(lambda: state(made).unreachable_since is not None)
            await recording.close("client_left")
            await eventually(lambda: state(made).spool_full)
        finally:
            await place.mend()
        await eventually(lambda: {"store.gap", "alarm.spool_eased"} <= set(names(made)))
        assert state(made).spool_bytes == 0
        assert names(made).count("alarm.spool_filling") == 1
        filling = dict(made.alarms)["alarm.spool_filling"]
        assert 80 <= filling["percent"] < 100
        assert filling["quota"] == 256 << 10


async def test_who_filled_the_spool_leaves_it_full(tmp_path: Path) -> None:
    """What a session leaves behind counts from the moment it is over, not from the next look at the spool."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(gone(tmp_path))
        told = {**SHORT, **place.settings, "spool_quota_bytes": 256 << 10, "retry_seconds": 60.0}
        made = await stack.enter_async_context(studio(tmp_path / "made", **told))
        recording = await made.recorder.open(header(), unexpected)
        await place.strike()
        try:
            await passed(recording, FrameType.OUTPUT, 1, os.urandom(300 << 10))
            assert state(made).spool_full
            await recording.close("client_left")
            assert state(made).spool_full
        finally:
            await place.mend()


async def test_an_outage_outlives_the_process(tmp_path: Path) -> None:
    """A gateway that is restarted meanwhile reports the gap from its true beginning, with what the dead one left."""
    folder = tmp_path / "made"
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(gone(tmp_path))
        opened = header()
        async with studio(folder, **SHORT, **place.settings) as made:
            recording = await made.recorder.open(opened, unexpected)
            await eventually(lambda: state(made).lag_bytes == 0)
            await place.strike()
            await typed(recording, 5)
            await eventually(lambda: bool(names(made)))
            since = made.alarms[0][1]["since"]
            await eventually((folder / "spool" / ".outage.json").exists)
        async with studio(folder, **SHORT, **place.settings) as made:
            assert state(made).unreachable_since is not None
            await place.mend()
            await eventually(lambda: "store.gap" in names(made))
            report = dict(made.alarms)["store.gap"]
            assert report["since"] == since
            assert [one["session_id"] for one in report["sessions"]] == [opened.session_id]
            await eventually(lambda: not (folder / "spool" / ".outage.json").exists())
            await proved(made, opened, 5)


async def test_what_was_taken_from_the_spool_is_named(tmp_path: Path) -> None:
    """A trace that waited and was removed by hand is not passed over: the gap report names it as missing."""
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(gone(tmp_path))
        made = await stack.enter_async_context(studio(tmp_path / "made", **SHORT, **place.settings))
        opened = header()
        recording = await made.recorder.open(opened, unexpected)
        await place.strike()
        try:
            await typed(recording, 3)
            await eventually(lambda: bool(names(made)))
            await recording.close("client_left")
            shutil.rmtree(made.settings.spool / opened.session_id)
        finally:
            await place.mend()
        await eventually(lambda: "store.gap" in names(made))
        assert dict(made.alarms)["store.gap"]["missing"] == [opened.session_id]
