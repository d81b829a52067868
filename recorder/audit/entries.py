"""Entries: an event at its place in a writer's chain. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from recorder.audit.events import SecurityEvent
from recorder.errors import JournalBroken, TraceFormatError
from recorder.trace.frames import canonical, parse_object

VERSION = 1
GENESIS = "0" * 64
"""What stands for the digest before a chain's first entry."""

_DOMAIN = b"ecluse journal v1 entry\x00"
_STRANGE = re.compile(rb"\\u[dD]|NaN|Infinity|\d[eE]")
"""In what may hold a value that canonical JSON has not: `JournalEntry.content` would raise for whoever reads it."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry, as kept.

    Attributes:
        writer: Which process wrote it: node and start.
        seq: Its number in the chain of this hospital and writer, from 1.
        previous: Digest of the entry before, or `GENESIS`.
        event: What it tells.
        outbox_id: The policy change it was made from, if it was.
        digest: Digest of `content`, in hexadecimal.
    """

    writer: str
    seq: int
    previous: str
    event: SecurityEvent
    outbox_id: str | None = None

    @property
    def content(self) -> bytes:
        """What the digest commits to: canonical JSON.

        Raises:
            TraceFormatError: The event's details have no JSON form.
        """
        return canonical(
            {
                "version": VERSION,
                "writer": self.writer,
                "seq": self.seq,
                "previous": self.previous,
                "event": self.event.to_dict(),
                "outbox_id": self.outbox_id,
            }
        )

    @property
    def digest(self) -> str:
        """Digest of this entry, which the next one carries."""
        return digest(self.content)


def digest(content: bytes) -> str:
    """Digest of an entry's content, in hexadecimal."""
    return hashlib.sha256(_DOMAIN + content).hexdigest()


def parse(content: bytes) -> JournalEntry:
    """The entry whose content this is.

    Raises:
        JournalBroken: It is none, or holds what no entry can be made of: half a character, no number.
    """
    try:
        found = parse_object(content, "journal entry")
        if _STRANGE.search(content):
            canonical(found)
        if found.get("version") != VERSION or not isinstance(found.get("event"), dict):
            raise JournalBroken("this is no journal entry of a version that this program reads")
        event = SecurityEvent.from_dict(found["event"])
        return JournalEntry(
            str(found["writer"]), int(found["seq"]), str(found["previous"]), event, found["outbox_id"]
        )
    except (TraceFormatError, KeyError, TypeError, ValueError) as error:
        raise JournalBroken(f"this is no journal entry: {error}") from error


def columns_of(entry: JournalEntry) -> dict[str, Any]:
    """The columns that repeat parts of an entry, to search by."""
    event = entry.event
    return {
        "hospital_id": event.hospital_id,
        "writer": entry.writer,
        "seq": entry.seq,
        "at": event.at,
        "name": event.name,
        "actor": event.actor,
        "person_id": event.person_id,
        "device_id": event.device_id,
        "session_id": event.session_id,
        "source": event.source,
        "event_id": event.event_id,
        "outbox_id": entry.outbox_id,
    }
