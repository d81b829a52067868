"""Purging one trace: recorded and signed first, then destroyed; whoever dies on the way finishes by the record."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from recorder.errors import TraceFormatError, TraceLocked, TraceNotFound
from recorder.ports import Now, StoredObject, TraceStore
from recorder.retention.shelf import BegunPurge, ClosedTrace, PurgeShelf
from recorder.seal.signing import SigningKey
from recorder.trace.place import MANIFEST, STUB, TracePlace
from recorder.trace.purge import PURGE, PURGE_SIGNATURE, PurgeRecord, RemovedFile


class Fate(StrEnum):
    """What became of a trace that was to be purged.

    ``GONE``: its stub is left. ``UNREADABLE``: its wraps are destroyed, and the store keeps the rest a while.
    ``HELD``, ``LOCKED``: nothing was touched, by a legal hold or until its retention in the store is over. ``CLEAR``:
    it is not sealed, so that before then nothing can make it unreadable. ``ALTERED``: what the store has is not what
    the catalogue knows, so it is evidence of something else. ``MISSING``: the store has no such trace.
    """

    GONE = "gone"
    UNREADABLE = "unreadable"
    HELD = "held"
    LOCKED = "locked"
    CLEAR = "clear"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fate, and until when the store keeps what is left, where it does; ``digest`` is that of the purge record."""

    fate: Fate
    until: datetime | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Why a trace is purged: ``reason`` and the rest as in `PurgeRecord`."""

    reason: str
    rule: str
    decided_by: Sequence[str] = ()


class Purger:
    """Destroys what it is told to, and nothing that the store holds or still keeps; asks nobody whether it may.

    Args:
        shelf: Keeps the records.
        store: Holds the traces.
        key: Signs the records: the one that signs checkpoints.
        now: Wall clock.
    """

    def __init__(self, shelf: PurgeShelf, store: TraceStore, key: SigningKey, now: Now) -> None:
        self._shelf = shelf
        self._store = store
        self._key = key
        self._now = now

    async def purge(self, trace: ClosedTrace, order: Order) -> Outcome:
        """Purge one trace, or say why it stays.

        Raises:
            StoreUnavailable: The store does not answer; begun or not, it can be asked again.
            SQLAlchemyError: The database refuses.
        """
        if trace.altered:
            return Outcome(Fate.ALTERED)
        begun = await self._shelf.begun(self._now(), trace.header.session_id)
        if begun:
            return await self.finish(begun[0])
        try:
            objects = await asyncio.to_thread(self._store.objects, trace.place)
            manifest = await asyncio.to_thread(self._store.document, trace.place, MANIFEST)
        except TraceNotFound:
            return Outcome(Fate.MISSING)
        except (
            TraceFormatError,
            TraceLocked,
        ):  # what lies there is no trace's, or not even how long it is kept can be read
            return Outcome(Fate.ALTERED)
        if hashlib.sha256(manifest).hexdigest() != trace.manifest_sha256:
            return Outcome(Fate.ALTERED)
        if any(one.held for one in objects):
            return Outcome(Fate.HELD)
        content = [one for one in objects if one.name not in STUB]
        kept = [one for one in content if one.retain_until is not None and one.retain_until > self._now()]
        until = max((one.retain_until for one in kept if one.retain_until is not None), default=None)
        if kept and order.reason != "erasure":
            return Outcome(Fate.LOCKED, until)
        if kept and not trace.header.sealing:
            return Outcome(Fate.CLEAR, until)
        record = self._record(trace, order, content, kept)
        text = record.to_json()
        signature = self._key.sign(text)
        await self._shelf.begin(trace, text, signature, until)
        return await self.finish(BegunPurge(trace, text, signature, until))

    async def finish(self, begun: BegunPurge) -> Outcome:
        """Do what a record says, or the rest of it; harmless to repeat.

        Raises:
            StoreUnavailable: The store does not answer.
            SQLAlchemyError: The database refuses.
        """
        trace, place = begun.trace, begun.trace.place
        if trace.altered:
            return Outcome(Fate.ALTERED)
        digest = hashlib.sha256(begun.content).hexdigest()
        waits = begun.kept_until is not None and begun.kept_until > self._now()
        try:
            await asyncio.to_thread(self._destroy, place, whole=not waits)
            await asyncio.to_thread(self._keep_record, place, begun)
            await self._shelf.purged(trace, digest)
            # who wraps for another reader looks for that row after putting, and may have put just before it
            await asyncio.to_thread(self._destroy, place, whole=not waits)
        except TraceLocked:
            return Outcome(Fate.HELD, digest=digest)
        except TraceNotFound:
            return Outcome(Fate.MISSING, digest=digest)
        except TraceFormatError:
            return Outcome(Fate.ALTERED, digest=digest)
        if waits:
            return Outcome(Fate.UNREADABLE, begun.kept_until, digest)
        await self._shelf.finished(trace)
        return Outcome(Fate.GONE, digest=digest)

    def _destroy(self, place: TracePlace, *, whole: bool) -> None:
        self._store.destroy_wraps(place)
        self._store.drop_tails(place)
        self._store.forget(place)
        if whole:
            self._store.delete(place, keep_stub=True)

    def _keep_record(self, place: TracePlace, begun: BegunPurge) -> None:
        self._store.put(place, PURGE, begun.content, locked=True)
        self._store.put(place, PURGE_SIGNATURE, begun.signature, locked=True)

    def _record(
        self,
        trace: ClosedTrace,
        order: Order,
        content: Sequence[StoredObject],
        kept: Sequence[StoredObject],
    ) -> PurgeRecord:
        staying = {one.name for one in kept}
        return PurgeRecord(
            session_id=trace.header.session_id,
            hospital_id=trace.header.hospital_id,
            manifest_sha256=trace.manifest_sha256,
            purged_at=self._now(),
            reason=order.reason,
            decided_by=tuple(order.decided_by),
            rule=order.rule,
            removed=_told(one for one in content if one.name not in staying),
            kept=_told(kept),
            signer=self._key.public.key_id,
        )


def _told(objects: Iterable[StoredObject]) -> tuple[RemovedFile, ...]:
    return tuple({"name": one.name, "bytes": one.size} for one in objects)
