"""Security events: what the journal tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from recorder.errors import JournalBroken, TraceFormatError
from recorder.trace import instants
from recorder.trace.header import IDENTIFIER

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
"""``authentication.failed``, ``session.cut``, ``alarm.recording_failed``…"""


def new_event_id() -> str:
    """An identifier that no other event has."""
    return uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One fact for the journal.

    Attributes:
        name: Dotted words, such as ``access.denied``.
        hospital_id: Whose journal it belongs to.
        at: When it happened, aware UTC.
        actor: Who did it: a person's id, or a part of the product such as ``gateway``.
        person_id: The technician concerned.
        device_id: The device concerned.
        session_id: The session concerned.
        source: Address it came from.
        details: Further facts; JSON values, no secret.
        event_id: Identifier; an event is kept once.

    Raises:
        JournalBroken: A field is not what it must be.
    """

    name: str
    hospital_id: str
    at: datetime
    actor: str | None = None
    person_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    source: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    event_id: str = field(default_factory=new_event_id)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or len(self.name) > 100:
            raise JournalBroken(f"event name {self.name[:80]!r}: write dotted words such as access.denied")
        if self.at.tzinfo is None:
            raise JournalBroken(f"event {self.name}: at must be an aware UTC instant")
        if not isinstance(self.details, Mapping):
            raise JournalBroken(f"event {self.name}: details must be an object")
        if not IDENTIFIER.fullmatch(self.hospital_id):
            raise JournalBroken(f"event {self.name}: hospital_id {self.hospital_id[:80]!r} is no identifier")

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "name": self.name,
            "hospital_id": self.hospital_id,
            "at": instants.text(self.at),
            "actor": self.actor,
            "person_id": self.person_id,
            "device_id": self.device_id,
            "session_id": self.session_id,
            "source": self.source,
            "details": dict(self.details),
            "event_id": self.event_id,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SecurityEvent:
        """The event that `to_dict` wrote.

        Raises:
            JournalBroken: It is something else.
        """
        try:
            return cls(**{**content, "at": instants.parse(content.get("at"))})
        except (TypeError, TraceFormatError) as error:
            raise JournalBroken(f"this is no event of the journal: {error}") from error
