"""What the recorder needs from outside, and what it asks of its own stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from recorder.trace.header import TraceHeader
from recorder.trace.manifest import Manifest

Now = Callable[[], datetime]
"""The wall clock: the aware UTC instant of the call."""

Alarm = Callable[[str, dict[str, Any]], None]
"""Told of what the security staff must hear: a name such as ``alarm.recording_failed``, and facts."""


class TraceStore(Protocol):
    """Where closed traces are kept, append only."""

    def put(self, directory: Path, manifest: Manifest) -> Path:
        """Move a closed trace in, for good; safe to repeat after a crash.

        Raises:
            TraceFormatError: An identifier can be no part of a path.
            OSError: The store cannot be written.
        """

    def open(self, hospital_id: str, session_id: str, opened_at: datetime | None = None) -> Path:
        """The folder of one trace.

        Raises:
            TraceNotFound: There is none.
        """

    def list(self, hospital_id: str) -> Sequence[str]:
        """Identifiers of the sessions of one hospital, oldest day first."""


class CatalogWriter(Protocol):
    """What the write side tells the catalogue; it inserts, it never changes or deletes."""

    async def opened(self, header: TraceHeader) -> None:
        """Note that a session opened; nothing happens when it is noted already."""

    async def closed(self, manifest: Manifest, manifest_sha256: str) -> None:
        """Note that a session closed; nothing happens when it is noted already."""
