"""Alarms: what the security staff must hear, one for a cause however often it is seen, and what became of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from policy.domain.ids import HospitalId, PersonId


class Severity(StrEnum):
    """How soon somebody must look: at once, today, or when there is time."""

    CRITICAL = "critical"
    HIGH = "high"
    NOTICE = "notice"

    def reaches(self, least: "Severity") -> bool:
        """Tell whether this is at least as severe as *least*."""
        order = list(Severity)
        return order.index(self) <= order.index(least)


class AlarmState(StrEnum):
    """Where an alarm stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is counted before it is an alarm: once ``name`` has reached ``limit`` within ``period``, not before.

    The period begins with the first sighting of it, and the next one with the first sighting after its end.
    """

    name: str
    amount: int
    limit: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One time that a cause of alarm was seen. ``kind`` and ``key`` say which cause: the same are one alarm.

    ``at`` is an aware UTC instant. ``facts`` are JSON values, hold no secret, and may come from strangers. ``over``:
    the cause was seen to be gone; that raises nothing. ``of_before``: it was gone at ``at``, so what was seen then or
    later stands. ``tallies``: an alarm only once one of them is reached.
    """

    kind: str
    key: str
    severity: Severity
    at: datetime
    facts: Mapping[str, object] = field(default_factory=dict)
    person_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    over: bool = False
    of_before: bool = False
    tallies: tuple[Tally, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Who took an alarm into hand or closed it, when (aware UTC), and her note."""

    by: PersonId
    at: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One cause of alarm, seen ``count`` times between ``first_at`` and ``last_at`` (aware UTC).

    ``facts`` are those of the last time. ``over_at``: since when the cause is known to be gone. ``acknowledged`` and
    ``closed`` say by whom; what is seen after it was closed is a new alarm.
    """

    id: str
    hospital_id: HospitalId
    kind: str
    key: str
    severity: Severity
    state: AlarmState
    count: int
    first_at: datetime
    last_at: datetime
    facts: Mapping[str, object]
    person_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    over_at: datetime | None = None
    acknowledged: Answer | None = None
    closed: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One message to the hospital's webhook: ``event`` (``opened``, ``acknowledged``, ``closed``) about an alarm.

    ``alarm`` is the alarm as it was then, in JSON values, so that each try says the same. Instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    alarm_id: str
    event: str
    alarm: Mapping[str, object]
    queued_at: datetime
    expires_at: datetime
    next_try_at: datetime
    tries: int = 0
    delivered_at: datetime | None = None
    abandoned_at: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Up to where the journal's chain of one writer was read: the number and the digest of the last entry."""

    seq: int
    digest: str
