"""Where a trace lies in a store, and how its parts are called (FORMAT.md, section 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from recorder.errors import TraceFormatError
from recorder.trace.header import TraceHeader, check_identifier
from recorder.trace.manifest import Manifest

LIVE = "live"
"""First part of the path of what grows; no hospital has this identifier."""
TRACE = "trace.ecl"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
STUB = frozenset({MANIFEST, SIGNATURE, "purge.json", "purge.sig"})
"""What stays of a trace whose content was purged (FORMAT.md, section 9)."""
MAX_DOCUMENT = 8 << 20
"""Bytes of the largest file beside the segments that is read at once: a manifest."""
SEGMENT_BYTES = 16 << 20
"""Bytes after which a segment is cut, at the last border of records before."""
SEGMENT_SECONDS = 900.0
"""Age after which a segment is cut, however small it is."""
TAIL_BYTES = 1 << 20
"""Bytes, at most, of one piece by which a tail grows."""
_SEGMENT = re.compile(r"trace-[0-9]{6,}\.ecl")
CHECKPOINTS = "checkpoints"
"""Folder of a hospital's checkpoints; no year is called so, and no day of traces lies there."""
_CHECKPOINT = re.compile(r"[0-9]{4}/[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_TAIL = re.compile(r"[0-9]{20}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class TracePlace:
    """One trace's place in a store.

    Attributes:
        hospital_id: Whose trace.
        session_id: Which session.
        opened_at: When it opened, aware; its UTC day is part of the path.

    Raises:
        TraceFormatError: An identifier can be no part of a path.
    """

    hospital_id: str
    session_id: str
    opened_at: datetime

    def __post_init__(self) -> None:
        check_identifier("hospital_id", self.hospital_id)
        check_identifier("session_id", self.session_id)
        if self.hospital_id == LIVE:
            raise TraceFormatError(f"no hospital is called {LIVE!r}: what grows lies there")

    @classmethod
    def of(cls, described: TraceHeader | Manifest) -> TracePlace:
        """The place of the trace that a header or a manifest describes."""
        opened = described.started_at if isinstance(described, TraceHeader) else described.opened_at
        return cls(described.hospital_id, described.session_id, opened)

    @property
    def folder(self) -> str:
        """Path of the trace's folder: ``<hospital>/<yyyy>/<mm>/<dd>/<session>``."""
        return f"{self.hospital_id}/{self.opened_at.astimezone(UTC):%Y/%m/%d}/{self.session_id}"

    @property
    def live(self) -> str:
        """Path of the folder of what grows: ``live/<hospital>/<session>``."""
        return f"{LIVE}/{self.hospital_id}/{self.session_id}"


def is_segment(name: str) -> bool:
    """Whether a file of this name is a segment."""
    return _SEGMENT.fullmatch(name) is not None


def tail_name(offset: int) -> str:
    """Name of the piece of a tail that begins at this offset of the trace."""
    return f"{offset:020d}"


def tail_offset(name: str) -> int | None:
    """Where in the trace the piece of a tail of this name begins; None where it is no such name."""
    return int(name) if _TAIL.fullmatch(name) is not None else None


def is_file_name(name: str) -> bool:
    """Whether a file of a trace may be called so."""
    return _FILE.fullmatch(name) is not None


def check_file_name(name: str) -> None:
    """Refuse what can be no file of a trace.

    Raises:
        TraceFormatError: The name could leave the trace's folder.
    """
    if not is_file_name(name):
        raise TraceFormatError(f"{name!r} can be no file of a trace")


def checkpoint_path(hospital_id: str, name: str) -> str:
    """Path of a checkpoint's file in a store.

    Raises:
        TraceFormatError: The names can be no part of a path.
    """
    check_identifier("hospital_id", hospital_id)
    if hospital_id == LIVE or not _CHECKPOINT.fullmatch(name):
        raise TraceFormatError(f"{name[:80]!r} is no name of a checkpoint's file")
    return f"{hospital_id}/{CHECKPOINTS}/{name}"
