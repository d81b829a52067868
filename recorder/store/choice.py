"""Which trace store the settings ask for."""

from __future__ import annotations

from recorder.ports import Now, TraceStore
from recorder.settings import RecorderSettings
from recorder.store.folder import FolderStore


def trace_store(settings: RecorderSettings, now: Now) -> TraceStore:
    """The bucket where one is set, else the folder; nothing is asked or made yet."""
    if settings.bucket is None:
        return FolderStore(settings.store, retention=settings.retention, held=settings.legal_hold, now=now)
    from recorder.store.objects import (
        ObjectStore,  # its library is loaded where a bucket is set, and only there
    )

    return ObjectStore(settings.bucket, retention=settings.retention, held=settings.legal_hold, now=now)
