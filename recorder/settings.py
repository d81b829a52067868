"""What the recorder must be told, handed over by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """Where and within which bounds to record.

    Attributes:
        spool: Local folder where live traces are written.
        store: Folder of the closed traces.
        signing_key_path: PEM file of the Ed25519 key that signs manifests, mode 0600.
        reader_keys: PEM files of the public keys whose holders may read the traces; none: traces are not sealed.
        catalog_url: SQLAlchemy URL of the catalogue and journal, with an async driver.
        write_timeout_seconds: How long a frame may wait for the spool before its session ends.
        min_free_bytes: Free room in the spool below which no session opens.
        max_threads: Threads that may write at once; one stuck disk keeps one a session.
        sync_interval_seconds: How often, at most, a live trace is forced to the platter.
        input_limit_bytes: Input kept of one channel; what comes after is hashed only.
    """

    spool: Path
    store: Path
    signing_key_path: Path
    catalog_url: str
    reader_keys: tuple[Path, ...] = ()
    write_timeout_seconds: float = 2.0
    min_free_bytes: int = 256 * MIB
    max_threads: int = 256
    sync_interval_seconds: float = 1.0
    input_limit_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        for name in ("write_timeout_seconds", "sync_interval_seconds", "max_threads"):
            if getattr(self, name) <= 0:
                raise ValueError(f"recorder setting {name} must be more than 0")
        for name in ("min_free_bytes", "input_limit_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"recorder setting {name} must not be negative")
