"""Anchors: what is told of a checkpoint to places that the bastion's administrator does not rule."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recorder.errors import TraceFormatError
from recorder.trace.frames import canonical, parse_object

FORMAT = "ecluse-anchor"
VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Anchor:
    """One checkpoint as it is remembered elsewhere (FORMAT.md, section 12).

    Attributes:
        hospital_id: Whose chain.
        sequence: Number of the checkpoint.
        digest: SHA-256 of its bytes, in hexadecimal.
        at: When it says that it was made.
    """

    hospital_id: str
    sequence: int
    digest: str
    at: str

    def to_json(self) -> bytes:
        """The anchor as one line of canonical JSON, without its end."""
        return canonical(
            {
                "format": FORMAT,
                "version": VERSION,
                "hospital_id": self.hospital_id,
                "sequence": self.sequence,
                "digest": self.digest,
                "at": self.at,
            }
        )


def read(lines: Iterable[str]) -> list[Anchor]:
    """The anchors in these lines: whatever stands before the JSON of a line, as a syslog does it, is passed over.

    Raises:
        TraceFormatError: A line says that it is an anchor and cannot be read, which is no line to pass over.
    """
    found = []
    for line in lines:
        start = line.find("{")
        if start >= 0 and FORMAT in line:
            found.append(_anchor(line[start:]))
    return found


def _anchor(text: str) -> Anchor:
    try:
        content: dict[str, Any] = parse_object(_first_object(text), "anchor")
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise TraceFormatError("this is no anchor of a version that this program reads")
        return Anchor(
            str(content["hospital_id"]), int(content["sequence"]), str(content["digest"]), str(content["at"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TraceFormatError(f"this line is no anchor: {text[:80]!r}") from error


def _first_object(text: str) -> bytes:
    value, _ = json.JSONDecoder().raw_decode(text)
    return canonical(value)
