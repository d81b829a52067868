"""What the recorder must be told, handed over by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

MIB = 1 << 20


class LockMode(StrEnum):
    """Who may shorten an object's retention: nobody, or who has the right to bypass it."""

    COMPLIANCE = "compliance"
    GOVERNANCE = "governance"


@dataclass(frozen=True, slots=True)
class StoreCredentials:
    """What a bucket is opened with. Its text forms show nothing of it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSettings:
    """An S3-compatible bucket that keeps traces.

    Attributes:
        bucket: Its name.
        endpoint: Its server's URL; None: the one of Amazon for the region.
        region: As the server calls it.
        prefix: Put before every key, without a slash at its ends; empty for none.
        credentials: Those of the process that asks.
        authority: PEM file of the CAs that vouch for the server; None: the system's.
        lock_mode: Who may shorten a retention.
        timeout_seconds: How long the server may take to accept a connection, and between two pieces of an answer.
        cache: Private folder for traces that are being read.
        cache_bytes: What it may hold; a larger trace is kept while it is read.
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    prefix: str = ""
    credentials: StoreCredentials
    authority: Path | None = None
    lock_mode: LockMode = LockMode.COMPLIANCE
    timeout_seconds: float = 5.0
    cache: Path
    cache_bytes: int = 4096 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """Where and within which bounds to record.

    Attributes:
        spool: Local folder where live traces are written.
        store: Folder of the closed traces, where there is no bucket.
        bucket: Where traces are kept instead of in a folder.
        retention: How long the store refuses to delete what is locked, from when it came.
        legal_hold: Whether new traces come under a legal hold.
        signing_key_path: PEM file of the Ed25519 key that signs manifests, mode 0600.
        reader_keys: PEM files of the public keys whose holders may read the traces, instead of a folder's.
        reader_folder: Folder of these keys, looked at for each trace; without either traces are not sealed.
        catalog_url: SQLAlchemy URL of the catalogue and journal, with an async driver.
        write_timeout_seconds: How long a frame may wait for the spool before its session ends.
        min_free_bytes: Free room in the spool below which no session opens.
        spool_quota_bytes: What may wait in the spool while the store takes nothing; then sessions end.
        probe_seconds: How often the store is asked whether it serves.
        retry_seconds: The same while it does not, and at least twice in the time of patience.
        patience_seconds: How long it must refuse to be unreachable.
        steady_seconds: How long it must serve again to be back.
        max_threads: Threads that may write at once; one stuck disk keeps one a session.
        sync_interval_seconds: How often, at most, a live trace is forced to the platter.
        input_limit_bytes: Input kept of one channel; what comes after is hashed only.
    """

    spool: Path
    store: Path
    signing_key_path: Path
    catalog_url: str
    bucket: BucketSettings | None = None
    retention: timedelta = timedelta()
    legal_hold: bool = False
    reader_keys: tuple[Path, ...] = ()
    reader_folder: Path | None = None
    write_timeout_seconds: float = 2.0
    min_free_bytes: int = 256 * MIB
    spool_quota_bytes: int = 10240 * MIB
    probe_seconds: float = 10.0
    retry_seconds: float = 2.0
    patience_seconds: float = 2.0
    steady_seconds: float = 10.0
    max_threads: int = 256
    sync_interval_seconds: float = 1.0
    input_limit_bytes: int = 64 * MIB

    @property
    def again_seconds(self) -> float:
        """How soon a store that refused is asked again: one lost answer, as of a stale connection, is no outage."""
        return min(self.retry_seconds, self.patience_seconds / 2)

    def __post_init__(self) -> None:
        for name in (
            "write_timeout_seconds",
            "sync_interval_seconds",
            "max_threads",
            "spool_quota_bytes",
            "probe_seconds",
            "retry_seconds",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"recorder setting {name} must be more than 0")
        for name in ("min_free_bytes", "input_limit_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"recorder setting {name} must not be negative")
