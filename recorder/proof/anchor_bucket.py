"""Anchors in a bucket of another house: one small object a checkpoint, locked."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from typing_extensions import override

from recorder.ports import Now
from recorder.proof.anchors import Anchor
from recorder.proof.delivery import Target
from recorder.proof.export import document_name
from recorder.proof.notary import StoredCheckpoint
from recorder.settings import BucketSettings
from recorder.store.bucket import Bucket


class AnchorBucket(Target):
    """Objects ``<prefix>/<hospital>/anchors/<number>.json`` in a bucket that the bastion may only add to.

    Args:
        settings: The bucket and how to reach it.
        retention: How long it refuses to delete one, from when it came; zero: it is not locked.
        now: Wall clock.
    """

    name = "bucket"

    def __init__(self, settings: BucketSettings, *, retention: timedelta, now: Now) -> None:
        self._bucket = Bucket(settings)
        self._prefix = f"{settings.prefix}/" if settings.prefix else ""
        self._retention = retention
        self._now = now

    @override
    def deliver(self, anchor: Anchor, row: StoredCheckpoint) -> None:
        """Put the anchor's line as an object."""
        data = anchor.to_json() + b"\n"
        key = f"{self._prefix}{anchor.hospital_id}/anchors/{document_name(row.sequence, '.json')}"
        until = self._now() + self._retention if self._retention else None
        self._bucket.put_locked(key, data, hashlib.sha256(data).hexdigest(), until=until, held=False)
