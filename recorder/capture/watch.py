"""Watches that the disk follows: who waits too long fails, who wrote is synced."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor

from recorder.capture.session import Recording
from recorder.errors import RecordingFailed

_TICKS = 20
"""How often within the timeout the watch looks: a stuck disk is noticed at most a twentieth late."""

_LATE = 3
"""A tick that comes this many times too late tells of a stopped process, not of a stuck disk."""


class Watch:
    """One a recorder, on its loop.

    Args:
        pool: Threads for syncs, apart from those that frames wait for.
        timeout: Seconds a frame may wait for the spool.
        sync_interval: Seconds, at least, between two syncs of one trace.
    """

    def __init__(self, pool: Executor, *, timeout: float, sync_interval: float) -> None:
        self._pool = pool
        self._timeout_ns = int(timeout * 1e9)
        self._interval = timeout / _TICKS
        self._sync_interval = sync_interval
        self._busy: set[Recording] = set()
        self._synced_at: dict[Recording, float] = {}
        self._syncing: set[Recording] = set()

    def busy(self, recording: Recording) -> None:
        """A thread writes for this recording now."""
        self._busy.add(recording)

    def idle(self, recording: Recording) -> None:
        """This recording has failed or closed: watch it no more."""
        self._busy.discard(recording)
        self._synced_at.pop(recording, None)

    async def run(self) -> None:
        """Look until cancelled."""
        looked_at = time.monotonic()
        spared = False
        while True:
            await asyncio.sleep(self._interval)
            late = time.monotonic() - looked_at
            looked_at += late
            # the threads, stopped as we were, get one more look; only one, for a busy loop is always late
            spared = late >= _LATE * self._interval and not spared
            if not spared:
                self._look(looked_at)

    def _look(self, at: float) -> None:
        for recording in list(self._busy):
            if recording.waiting_ns() > self._timeout_ns:
                seconds = self._timeout_ns / 1e9
                recording.fail(RecordingFailed(f"the spool did not take a frame within {seconds:g} s"))
                continue
            if recording.dirty and at - self._synced_at.get(recording, 0) >= self._sync_interval:
                self._sync(recording, at)
            if not recording.writing and not recording.dirty:
                self._busy.discard(recording)

    def _sync(self, recording: Recording, at: float) -> None:
        if recording in self._syncing:
            return
        recording.dirty = False
        self._synced_at[recording] = at
        self._syncing.add(recording)
        future = asyncio.get_running_loop().run_in_executor(self._pool, recording.writer.sync)
        future.add_done_callback(lambda done: self._synced(recording, done))

    def _synced(self, recording: Recording, done: asyncio.Future[None]) -> None:
        self._syncing.discard(recording)
        if not done.cancelled() and (error := done.exception()) is not None:
            recording.fail(error if isinstance(error, Exception) else RecordingFailed(str(error)))
