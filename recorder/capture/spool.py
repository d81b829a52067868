"""The recorder: opens recordings, watches that the disk follows, closes what the dead left."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from embedded.patience import patience
from recorder.capture.courier import Courier
from recorder.capture.delivery import Delivery
from recorder.capture.folder import OpenTrace, SpoolFolder, sign
from recorder.capture.lookout import Lookout
from recorder.capture.reach import Reach, StoreState, Unavailable
from recorder.capture.recovery import describe
from recorder.capture.segments import Segments
from recorder.capture.session import Recording
from recorder.capture.shipper import Shipper
from recorder.capture.watch import Watch
from recorder.capture.writer import TraceWriter
from recorder.errors import ReaderKeyUnusable, SpoolUnavailable, StoreUnavailable
from recorder.ports import Alarm, Now, TraceStore
from recorder.seal.encryption import suite
from recorder.seal.places import ReaderPlaces, Recipients
from recorder.seal.signing import SigningKey
from recorder.seal.wrapping import SealedHeader, seal_for
from recorder.settings import RecorderSettings
from recorder.store.catalog import Catalog
from recorder.store.choice import trace_store
from recorder.store.database import Database, unavailable
from recorder.store.files import make_folders
from recorder.store.mount import MEMO
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest
from recorder.trace.place import TracePlace

SWEEP_SECONDS = 30.0
"""How often the spool is looked through for traces that could not be closed or shipped."""

SHIP_SECONDS = 5.0
"""How long a closing session waits for its trace to arrive; a longer copy goes on behind it."""

START_SECONDS = 20.0
"""How long a start waits for what a dead process left to arrive; a longer copy goes on behind it."""

SYNC_THREADS = 8
STORE_THREADS = 16

T = TypeVar("T")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Live:
    """What is kept of one open trace."""

    trace: OpenTrace
    header: TraceHeader
    delivery: Delivery


class Recorder:
    """One a process; its methods are called on one event loop.

    Args:
        settings: Where and within which bounds.
        node: Name of this gateway.
        now: Wall clock, aware UTC.
        on_alarm: Told what the security staff must hear, on the loop.
        store: Puts something before the store that the settings name: who watches what is kept there.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        *,
        node: str,
        now: Now,
        on_alarm: Alarm | None = None,
        store: Callable[[TraceStore], TraceStore] = lambda one: one,
    ) -> None:
        self.settings = settings
        self.node = node
        self._now = now
        self._on_alarm = on_alarm
        self.database = Database(settings.catalog_url)
        self.catalog = Catalog(self.database)
        self.store = store(trace_store(settings, now, settings.spool / MEMO))
        self._spool = SpoolFolder(settings.spool, settings.min_free_bytes)
        self._pool = ThreadPoolExecutor(settings.max_threads, thread_name_prefix="spool")
        # apart, so that slow syncs and copies never take the threads that frames wait for
        self._slow_pool = ThreadPoolExecutor(SYNC_THREADS, thread_name_prefix="spool-sync")
        # and apart from both, so that a store that hangs takes nothing from the disk
        self._store_pool = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="trace-store")
        self._reach = Reach(
            now, self._alarm, node, patience=settings.patience_seconds, steady=settings.steady_seconds
        )
        self.courier = Courier(
            self.store, self._store_pool, self._reach, retry_seconds=settings.again_seconds
        )
        self._lookout = Lookout(
            settings,
            self.courier,
            self._reach,
            self.database,
            self._spool,
            self._slow_pool,
            self._sweep_once,
            node=node,
            now=now,
            alarm=self._alarm,
        )
        self._live: dict[Recording, _Live] = {}
        self._watch = Watch(
            self._slow_pool,
            timeout=settings.write_timeout_seconds,
            sync_interval=settings.sync_interval_seconds,
        )
        self._recipients = Recipients(ReaderPlaces(settings.reader_folder, settings.reader_keys))
        self._reasons: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._probe: asyncio.Future[None] | None = None
        self._shipper: Shipper | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._rounds: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> list[str]:
        """Read the key, make the folders, close what a dead process left.

        Returns:
            Sessions whose traces were found in the spool, closed and shipped before this returned.

        Raises:
            SignatureInvalid: The signing key cannot be used.
            ReaderKeyUnusable: A reader's public key cannot be used.
            SpoolUnavailable: The spool cannot be made or read.
        """
        key = SigningKey.load(self.settings.signing_key_path)
        self._recipients.current()
        self._spool.prepare()
        if self.settings.bucket is None:
            self._make_folder()
        self._shipper = Shipper(
            self._spool,
            self.store,
            self.catalog,
            key,
            self._slow_pool,
            self._store_pool,
            reach=self._reach,
            now=self._now,
            alarm=self._alarm,
        )
        await self._lookout.start()
        first = asyncio.create_task(self._first_sweep())
        self._tasks.add(first)
        first.add_done_callback(self._tasks.discard)
        await asyncio.wait({first}, timeout=START_SECONDS)
        recovered = first.result() if first.done() else []
        self._looking = asyncio.create_task(self._lookout.run())
        self._rounds = asyncio.create_task(self.courier.run())
        self._watcher = asyncio.create_task(self._watch.run())
        self._sweeper = asyncio.create_task(self._sweep(first))
        return recovered

    async def open(self, header: TraceHeader, on_failure: Callable[[Exception], None]) -> Recording:
        """Begin to record a session; its header is on the platter when this returns.

        Args:
            header: Who reaches what, by which right.
            on_failure: Called once, on the loop, when the recording breaks: the session must end.

        Raises:
            SpoolFull: Too little room.
            SpoolUnavailable: Spool or catalogue cannot be written in time.
            TraceFormatError: The header cannot be stored or names an unknown suite.
        """
        await self.check_writable()
        sealed = await self._in_time(self._run(lambda: self._sealed(header)))
        header = sealed.header
        writing = suite(header.suite, sealed.key)
        creating = self._run(lambda: self._spool.create(header, sealed.wraps))
        try:
            trace = await self._in_time(creating)
            writer = TraceWriter(
                trace.descriptor,
                offset=trace.offset,
                link=trace.link,
                suite=writing,
                now=self._now,
                input_limit=self.settings.input_limit_bytes,
            )
            await self._list(header)
        except BaseException:
            creating.add_done_callback(_give_back)
            raise
        recording = Recording(
            header.session_id,
            writer,
            self._pool,
            on_failure=lambda error: self._failed(recording, header, error, on_failure),
            on_busy=self._busy,
            on_close=self._close,
            close_timeout=self.settings.write_timeout_seconds,
        )
        cuts = Segments(trace.directory, fresh=True)
        delivery = Delivery(self.store, TracePlace.of(header), trace.directory, cuts)
        self._live[recording] = _Live(trace, header, delivery)
        self.courier.follow(recording, delivery)
        return recording

    def _busy(self, recording: Recording) -> None:
        self._watch.busy(recording)
        self.courier.busy(recording)

    def state(self) -> StoreState:
        """How the trace store does, and how much waits for it; never waits."""
        return self._lookout.state()

    async def check_writable(self) -> None:
        """Make sure that a session could be recorded now.

        Raises:
            SpoolFull: Too little room.
            SpoolUnavailable: The spool cannot be written in time.
        """
        self._ready_shipper()
        if self._probe is None or self._probe.done():  # one thread at most waits on a stuck disk
            self._probe = self._run(self._spool.probe)
        await self._in_time(self._probe)

    async def stop(self) -> None:
        """Close every live trace, wait a bounded time for the store, give everything back."""
        await asyncio.gather(*(recording.close("gateway_stopped") for recording in list(self._live)))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHIP_SECONDS)
        for task in (self._looking, self._watcher, self._rounds, self._sweeper, *self._tasks):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._slow_pool.shutdown(wait=False, cancel_futures=True)
        self._store_pool.shutdown(wait=False, cancel_futures=True)
        await self.database.dispose()

    async def _first_sweep(self) -> list[str]:
        """Ask the store, then bring it what was left; one that does not serve keeps nobody from starting."""
        try:
            await self.courier.check()
        except StoreUnavailable as error:
            _log.warning("the trace store does not serve", error=str(error))
            self._reach.look(math.inf)  # nobody is patient with what never served
        return await self._ready_shipper().sweep()

    def _make_folder(self) -> None:
        try:
            make_folders(self.settings.store)
        except OSError as error:
            raise SpoolUnavailable(
                f"the trace store {self.settings.store} cannot be made: {error}"
            ) from error

    def _sealed(self, header: TraceHeader) -> SealedHeader:
        try:
            readers = self._recipients.current()
        except ReaderKeyUnusable as error:  # what nobody could be sure to read is not recorded
            raise SpoolUnavailable(str(error)) from error
        if not readers:
            return SealedHeader(header, b"", {})
        return seal_for(header, readers, self._ready_shipper().key)

    async def _list(self, header: TraceHeader) -> None:
        began = time.monotonic()
        try:
            async with patience(self.settings.write_timeout_seconds):
                await self.catalog.opened(header)
        except Exception as error:  # a session that nobody could find is not opened
            why = unavailable(error, began)
            raise SpoolUnavailable(f"the catalogue cannot be written: {why}") from error

    def _failed(
        self,
        recording: Recording,
        header: TraceHeader,
        error: Exception,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._watch.idle(recording)
        self._alarm("alarm.recording_failed", _about(header, error))
        on_failure(error)

    async def _close(self, recording: Recording, reason: str) -> None:
        """What `Recording.close` waits for, once its frames are written or have failed."""
        live = self._live.pop(recording, None)
        if live is None:
            return
        self._watch.idle(recording)
        work = self._give_up(recording) if recording.failed else self._finish(recording, live, reason)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=self.settings.write_timeout_seconds + SHIP_SECONDS)

    async def _finish(self, recording: Recording, live: _Live, reason: str) -> None:
        """Sign and ship; what fails here is made good by a later sweep."""
        try:
            manifest, text = await self._run(lambda: self._sign(recording, live, reason))
            await self.courier.leave(recording)
            await self._ready_shipper().ship(
                live.delivery, live.header, manifest, hashlib.sha256(text).hexdigest()
            )
        except Exception as error:
            self._reasons[recording.session_id] = reason
            if not isinstance(error, Unavailable):  # else the reach judges whether it is an outage, and tells
                self._alarm("alarm.trace_not_shipped", _about(live.header, error))
        finally:
            await self._run(recording.writer.close)

    async def _give_up(self, recording: Recording) -> None:
        """Wait for a broken recording's thread to come back, then let the sweep close the trace."""
        self._reasons[recording.session_id] = "recording_failed"
        await recording.released.wait()
        await self.courier.leave(recording)
        await self._run(recording.writer.close)
        await self._sweep_once()

    def _sign(self, recording: Recording, live: _Live, reason: str) -> tuple[Manifest, bytes]:
        key = self._ready_shipper().key
        recording.writer.sync()
        segments = live.delivery.segments
        segments.cut_at([*recording.writer.borders.found, recording.writer.offset])
        manifest = describe(
            live.header,
            recording.writer,
            segments=segments.cut,
            seed=live.trace.link,
            closed_at=self._now(),
            reason=reason,
            signer=key.public.key_id,
        )
        return manifest, sign(live.trace.directory, manifest, key)

    async def _sweep(self, first: asyncio.Task[list[str]]) -> None:
        await asyncio.wait({first})
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._sweep_once()

    async def _sweep_once(self) -> None:
        try:
            shipped = await self._ready_shipper().sweep(self._reasons.get, self.courier.live)
        except Exception as error:  # the spool cannot even be listed: the next sweep tries again
            _log.warning("the spool cannot be swept", error=str(error))
            return
        for session_id in shipped:
            self._reasons.pop(session_id, None)

    def _ready_shipper(self) -> Shipper:
        if self._shipper is None:
            raise SpoolUnavailable("the recorder is not started")
        return self._shipper

    def _alarm(self, name: str, facts: dict[str, Any]) -> None:
        (_log.error if name.startswith("alarm.") else _log.warning)(name, **facts)
        if self._on_alarm is not None:
            self._on_alarm(name, facts)

    def _run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _in_time(self, future: asyncio.Future[T]) -> T:
        seconds = self.settings.write_timeout_seconds
        try:
            async with patience(seconds):
                return await asyncio.shield(future)
        except TimeoutError as error:
            raise SpoolUnavailable(
                f"the spool {self.settings.spool} did not answer within {seconds} s"
            ) from error


def _about(header: TraceHeader, error: Exception) -> dict[str, Any]:
    return {"session_id": header.session_id, "hospital_id": header.hospital_id, "error": str(error)}


def _give_back(creating: asyncio.Future[OpenTrace]) -> None:
    """Unlock a trace that nobody waits for any more; a later sweep closes it as interrupted."""
    if not creating.cancelled() and creating.exception() is None:
        os.close(creating.result().descriptor)
