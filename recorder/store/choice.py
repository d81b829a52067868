"""Which trace store the settings ask for."""

from __future__ import annotations

from pathlib import Path

from recorder.ports import Now, TraceStore
from recorder.settings import RecorderSettings
from recorder.store.folder import FolderStore


def trace_store(settings: RecorderSettings, now: Now, memo: Path | None = None) -> TraceStore:
    """The bucket where one is set, else the folder, known by the *memo*; nothing is asked or made yet."""
    if settings.bucket is None:
        return FolderStore(
            settings.store, retention=settings.retention, held=settings.legal_hold, now=now, memo=memo
        )
    from recorder.store.objects import (
        ObjectStore,  # its library is loaded where a bucket is set, and only there
    )

    return ObjectStore(settings.bucket, retention=settings.retention, held=settings.legal_hold, now=now)
