"""Sessions as policy counts them: leases held by gateways."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import DeviceId, EventId, HospitalId, PersonId, SessionId, WindowId

INTERRUPTED = "interrupted"
"""Why a session ended whose gateway did not live to say it; no gateway says it of a session of its own."""


class SessionState(StrEnum):
    """``LOST``: not closed, but its gateway no longer renews its lease."""

    LIVE = "live"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What came before a session in its intervention.

    ``number``: how many sessions the intervention has, this one counted. ``closed_at`` (aware UTC) and
    ``end_reason`` are those of the person's last one on the same device; None where it is open still.
    """

    number: int
    closed_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession:
    """One client connection to one device, and whether its gateway still answers for it.

    ``opened_at`` and ``closed_at`` are aware UTC; ``end_reason`` is the gateway's code, None while open.
    """

    session_id: SessionId
    hospital_id: HospitalId
    person_id: PersonId
    person_login: str
    device_id: DeviceId
    device_name: str
    account_name: str
    window_id: WindowId
    node: str
    source: str
    opened_at: datetime
    hard_end: datetime
    state: SessionState
    closed_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The end of a session: when (aware UTC), and the gateway's code for why.

    ``facts`` is what the journal is to know of it; ``told``, that the journal has them already.
    """

    hospital_id: HospitalId
    session_id: SessionId
    at: datetime
    reason: str
    facts: Mapping[str, object] = field(default_factory=dict)
    told: bool = True


def end_event(session_id: SessionId) -> EventId:
    """Return the identifier of the one entry that tells of a session's end, whoever tells it, however often."""
    return _one("session.closed", session_id)


def correction_event(session_id: SessionId) -> EventId:
    """Return the identifier of the one entry in which a session's own gateway says how it ended, where another told it."""
    return _one("session.end_corrected", session_id)


def _one(name: str, session_id: SessionId) -> EventId:
    return EventId(hashlib.sha256(f"{name}/{session_id}".encode()).hexdigest()[:32])
