"""The manifest: what a closed trace is, to be signed (FORMAT.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.frames import canonical, parse_object

FORMAT = "ecluse-trace-manifest"
WHOLE = 1
SEGMENTED = 2
"""Versions: the trace in one file, and in the segments that the manifest lists."""
MAX_MANIFEST = 8 << 20
"""Bytes a manifest may have."""


def segment_name(number: int) -> str:
    """Name of the segment with this number, from 1."""
    return f"trace-{number:06d}.ecl"


class StoredFile(TypedDict):
    """A file of the trace, or kept beside it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the signature commits to.

    Attributes:
        header_digest: The chain's first link, in hexadecimal.
        records: How many records the trace has.
        size: Bytes of the trace's file, or of all its segments together.
        last_chain: The chain's digest after the last record, in hexadecimal.
        opened_at: Wall time of the opening, aware UTC.
        closed_at: Wall time of the closing, aware UTC; of the recovery for an interrupted trace.
        end_reason: Why it ended.
        interrupted: Whether the process that wrote it died before it could close it.
        trimmed_bytes: Bytes of a torn end that were cut off at recovery (kept in ``tail.bin``).
        files: What else is kept beside the trace, by name.
        signer: Identifier of the key that signs.
        suite: Number of the suite that seals the records.
        segments: The files that follow one another to make the trace; none: it is one ``trace.ecl`` (version 1).
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
    segments: tuple[StoredFile, ...] = ()

    def to_json(self) -> bytes:
        """The manifest as stored and signed: canonical JSON."""
        content: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        content["files"] = sorted(self.files, key=lambda item: item["name"])
        content["opened_at"] = instants.text(self.opened_at)
        content["closed_at"] = instants.text(self.closed_at)
        content["format"] = FORMAT
        content["version"] = SEGMENTED if self.segments else WHOLE
        if not self.segments:
            del content["segments"]
        return canonical(content)

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """The manifest that `to_json` wrote.

        Raises:
            TraceFormatError: A field is missing or of another kind, or the version is unknown.
        """
        content = parse_object(data, "manifest")
        version = content.get("version")
        if content.get("format") != FORMAT or version not in {WHOLE, SEGMENTED} or isinstance(version, bool):
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
        files = _stored_files(content, "files")
        segments = _stored_files(content, "segments") if version == SEGMENTED else ()
        if version == SEGMENTED:
            _check_segments(segments, content["size"])
        values: dict[str, Any] = {field.name: content.get(field.name) for field in fields(cls)}
        values["opened_at"] = instants.parse(content.get("opened_at"))
        values["closed_at"] = instants.parse(content.get("closed_at"))
        return cls(**{**values, "files": files, "segments": segments})


def _stored_files(content: dict[str, Any], name: str) -> tuple[StoredFile, ...]:
    _check(content, name, list)
    for item in content[name]:
        if not isinstance(item, dict):
            raise TraceFormatError(f"the manifest's {name} are not objects")
        _check(item, "name", str)
        _check(item, "bytes", int)
        _check(item, "sha256", str)
    return tuple(content[name])


def _check_segments(segments: tuple[StoredFile, ...], size: int) -> None:
    expected = [segment_name(number) for number in range(1, len(segments) + 1)]
    if not segments or [item["name"] for item in segments] != expected:
        raise TraceFormatError("the manifest's segments are not numbered from 1 without a hole")
    if sum(item["bytes"] for item in segments) != size:
        raise TraceFormatError("the manifest's segments do not make up the trace's size")


def _check(content: dict[str, Any], name: str, kind: type) -> None:
    value = content.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TraceFormatError(f"the manifest's {name} is missing or not of kind {kind.__name__}")
