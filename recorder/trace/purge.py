"""The purge record: that the content of a trace was taken away by rule, signed (FORMAT.md, section 9). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

FORMAT: Final = "ecluse-purge"
VERSION: Final = 1
KEEPING: Final = 2
"""Version of a record that names what is kept; earlier programs say that they do not read it."""
PURGE: Final = "purge.json"
PURGE_SIGNATURE: Final = "purge.sig"
ERASURE: Final = "erasure"
REASONS: Final = ("retention", ERASURE)


class RemovedFile(TypedDict):
    """A file that was there and is gone."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRecord:
    """What is left of a trace beside its signed manifest.

    Attributes:
        manifest_sha256: Digest of the manifest that stays, in hexadecimal.
        purged_at: When, aware UTC.
        reason: One of `REASONS`.
        decided_by: Who decided; nobody where the rule alone did.
        rule: The rule, or the reason that was given.
        removed: What was there and is gone.
        kept: What the store does not let go yet, and nobody can read any more: only of an erased, sealed trace.
        signer: Identifier of the key that signs.
    """

    session_id: str
    hospital_id: str
    manifest_sha256: str
    purged_at: datetime
    reason: str
    decided_by: Sequence[str]
    rule: str
    removed: Sequence[RemovedFile]
    signer: str
    kept: Sequence[RemovedFile] = ()

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise TraceFormatError(
                f"a trace is purged for {' or '.join(REASONS)}, not for {self.reason[:80]!r}"
            )
        if self.kept and self.reason != ERASURE:
            raise TraceFormatError("only of an erased trace something may be kept")

    def to_json(self) -> bytes:
        """The record as stored and signed: canonical JSON."""
        kept = {"kept": sorted(self.kept, key=lambda item: item["name"])} if self.kept else {}
        return canonical(
            {
                **kept,
                "format": FORMAT,
                "version": KEEPING if kept else VERSION,
                "session_id": self.session_id,
                "hospital_id": self.hospital_id,
                "manifest_sha256": self.manifest_sha256,
                "purged_at": instants.text(self.purged_at),
                "reason": self.reason,
                "decided_by": list(self.decided_by),
                "rule": self.rule,
                "removed": sorted(self.removed, key=lambda item: item["name"]),
                "signer": self.signer,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> PurgeRecord:
        """The record that `to_json` wrote.

        Raises:
            TraceFormatError: It is something else, or of another version.
        """
        content: dict[str, Any] = parse_object(data, "purge record")
        keeps = content.get("version") == KEEPING
        if content.get("format") != FORMAT or content.get("version") not in {VERSION, KEEPING}:
            raise TraceFormatError("this is no purge record of a version that this program reads")
        try:
            return cls(
                session_id=str(content["session_id"]),
                hospital_id=str(content["hospital_id"]),
                manifest_sha256=str(content["manifest_sha256"]),
                purged_at=instants.parse(content["purged_at"]),
                reason=str(content["reason"]),
                decided_by=tuple(str(one) for one in content["decided_by"]),
                rule=str(content["rule"]),
                removed=_files(content["removed"]),
                signer=str(content["signer"]),
                kept=_files(content["kept"]) if keeps else (),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TraceFormatError(f"this is no purge record: {error}") from error


def _files(told: Any) -> tuple[RemovedFile, ...]:
    return tuple({"name": str(one["name"]), "bytes": int(one["bytes"])} for one in told)
