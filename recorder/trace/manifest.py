"""The manifest: what a closed trace is, to be signed (FORMAT.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

FORMAT = "ecluse-trace-manifest"
VERSION = 1
MAX_MANIFEST = 1 << 20
"""Bytes a manifest may have."""


class StoredFile(TypedDict):
    """A file kept beside the trace."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the signature commits to.

    Attributes:
        header_digest: The chain's first link, in hexadecimal.
        records: How many records the trace has.
        size: Bytes of ``trace.ecl``.
        last_chain: The chain's digest after the last record, in hexadecimal.
        opened_at: Wall time of the opening, aware UTC.
        closed_at: Wall time of the closing, aware UTC; of the recovery for an interrupted trace.
        end_reason: Why it ended.
        interrupted: Whether the process that wrote it died before it could close it.
        trimmed_bytes: Bytes of a torn end that were cut off at recovery (kept in ``tail.bin``).
        files: What else is kept beside the trace, by name.
        signer: Identifier of the key that signs.
        suite: Number of the suite that seals the records.
    """

    session_id: str
    hospital_id: str
    node: str
    suite: int
    header_digest: str
    records: int
    size: int
    last_chain: str
    opened_at: datetime
    closed_at: datetime
    end_reason: str
    interrupted: bool
    trimmed_bytes: int
    files: tuple[StoredFile, ...]
    signer: str

    def to_json(self) -> bytes:
        """The manifest as stored and signed: canonical JSON."""
        content: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        content["files"] = sorted(self.files, key=lambda item: item["name"])
        content["opened_at"] = instants.text(self.opened_at)
        content["closed_at"] = instants.text(self.closed_at)
        content["format"] = FORMAT
        content["version"] = VERSION
        return canonical(content)

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """The manifest that `to_json` wrote.

        Raises:
            TraceFormatError: A field is missing or of another kind, or the version is unknown.
        """
        content = parse_object(data, "manifest")
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise TraceFormatError("this is no manifest of a version that this program reads")
        for name in (
            "session_id",
            "hospital_id",
            "node",
            "header_digest",
            "last_chain",
            "end_reason",
            "signer",
        ):
            _check(content, name, str)
        for name in ("suite", "records", "size", "trimmed_bytes"):
            _check(content, name, int)
        _check(content, "interrupted", bool)
        _check(content, "files", list)
        for item in content["files"]:
            if not isinstance(item, dict):
                raise TraceFormatError("the manifest's files are not objects")
            _check(item, "name", str)
            _check(item, "bytes", int)
            _check(item, "sha256", str)
        values: dict[str, Any] = {field.name: content.get(field.name) for field in fields(cls)}
        values["opened_at"] = instants.parse(content.get("opened_at"))
        values["closed_at"] = instants.parse(content.get("closed_at"))
        values["files"] = tuple(content["files"])
        return cls(**values)


def _check(content: dict[str, Any], name: str, kind: type) -> None:
    value = content.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TraceFormatError(f"the manifest's {name} is missing or not of kind {kind.__name__}")
