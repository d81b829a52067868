"""The end of a trace's way from the spool to the store: the catalogue is told, the rest is brought, the spool is cleared."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from recorder.capture.delivery import Delivery
from recorder.capture.folder import SpoolFolder
from recorder.capture.reach import Reach, Unavailable
from recorder.capture.recovery import INTERRUPTED, Recovered, recover
from recorder.capture.segments import Segments
from recorder.errors import CatalogUnavailable, StoreUnavailable, StoreUnreachable
from recorder.ports import Alarm, CatalogWriter, Now, TraceStore
from recorder.seal.signing import SigningKey
from recorder.store.database import unavailable
from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest
from recorder.trace.place import TracePlace

T = TypeVar("T")


class Shipper:
    """Brings closed traces to the store, and closes those that nobody lives to close.

    Attributes:
        key: Signs manifests.

    Args:
        spool: The spool's folder.
        store: Where traces go.
        catalog: Told of each closing before the manifest is there, so that a crash between is made good.
        key: Signs what is recovered.
        pool: Threads for the disk.
        store_pool: Threads that may wait for the store.
        reach: Told how the store does.
        now: Wall clock.
        alarm: Told of what went wrong.
    """

    def __init__(
        self,
        spool: SpoolFolder,
        store: TraceStore,
        catalog: CatalogWriter,
        key: SigningKey,
        pool: Executor,
        store_pool: Executor,
        *,
        reach: Reach,
        now: Now,
        alarm: Alarm,
    ) -> None:
        self._spool = spool
        self._store = store
        self._catalog = catalog
        self.key = key
        self._pool = pool
        self._store_pool = store_pool
        self._reach = reach
        self._now = now
        self._alarm = alarm
        self._told: set[Path] = set()

    async def ship(
        self, delivery: Delivery, header: TraceHeader, manifest: Manifest, manifest_sha256: str
    ) -> None:
        """Tell the catalogue, bring the rest of the trace, and clear it from the spool; safe to repeat.

        Raises:
            Exception: Catalogue or store refused; the trace stays in the spool, signed.
        """
        began = time.monotonic()
        try:
            await self._catalog.opened(header)
            await self._catalog.closed(manifest, manifest_sha256)
        except (SQLAlchemyError, OSError) as error:
            refused = unavailable(error, began)
            self._reach.refused(refused, manifest.session_id, began)
            raise refused from error
        began = time.monotonic()
        try:
            if not self._reach.worth_trying:  # whoever leaves does not wait for what is known not to answer
                raise StoreUnreachable(f"the trace store does not serve: {self._reach.error}")
            await self._in_thread(lambda: delivery.finish(manifest), self._store_pool)
        except StoreUnavailable as error:
            self._reach.refused(error, manifest.session_id, began)
            raise
        if self._reach.outage is not None:
            self._reach.outage.shipped(header.started_at, manifest)
        self._reach.served(manifest.session_id)

    async def sweep(
        self, reason_of: Callable[[str], str | None] = lambda _: None, live: Collection[str] = ()
    ) -> list[str]:
        """Close and ship every trace in the spool that no living process holds.

        Args:
            reason_of: Why the session of this id ended, where this process knows.
            live: Sessions of this process, which need no look.

        Returns:
            Identifiers of the sessions whose traces were shipped.
        """
        shipped: list[str] = []
        left = await self._in_thread(lambda: self._spool.left_overs(live))
        refused = self._reach.refused_traces
        for directory in sorted(
            left, key=lambda one: one.name in refused
        ):  # one that never goes blocks no other
            if not self._reach.worth_trying:
                break
            try:
                if await self._ship_left_over(directory, reason_of(directory.name) or INTERRUPTED):
                    shipped.append(directory.name)
                    self._told.discard(directory)
            except (StoreUnreachable, CatalogUnavailable) as error:  # each further one would wait as long
                self._tell(directory, error)
                break
            except Exception as error:
                self._tell(directory, error)
        return shipped

    async def _ship_left_over(self, directory: Path, reason: str) -> bool:
        found: Recovered | None = await self._in_thread(
            lambda: recover(directory, self.key, self._now, reason)
        )
        if found is None:
            return False
        try:
            place = TracePlace.of(found.header)
            segments = await self._in_thread(lambda: Segments(directory))
            delivery = Delivery(self._store, place, directory, segments)
            await self.ship(delivery, found.header, found.manifest, found.manifest_sha256)
        finally:
            os.close(found.descriptor)
        if found.manifest.interrupted:
            facts = {
                "session_id": found.manifest.session_id,
                "hospital_id": found.manifest.hospital_id,
                "reason": found.manifest.end_reason,
                "records": found.manifest.records,
                "trimmed_bytes": found.manifest.trimmed_bytes,
            }
            self._alarm("alarm.trace_interrupted", facts)
        return True

    def _tell(self, directory: Path, error: Exception) -> None:
        if isinstance(error, Unavailable):
            return  # the reach judges whether it is an outage, and tells; each trace of it is no news
        if directory not in self._told:  # once: the sweep comes by again
            self._told.add(directory)
            self._alarm("alarm.trace_not_shipped", {"session_id": directory.name, "error": str(error)})

    async def _in_thread(self, work: Callable[[], T], pool: Executor | None = None) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool or self._pool, work)
