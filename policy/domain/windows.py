"""Intervention windows: who, on what, by which channels, and when (rule O3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from policy.domain.ids import (
    DeviceId,
    HospitalId,
    InterventionId,
    OccurrenceId,
    PersonId,
    WindowId,
)


class Channel(StrEnum):
    """What a window may allow. A shell makes the direction of files moot."""

    SHELL = "shell"
    EXEC = "exec"
    SFTP_UP = "sftp-up"
    SFTP_DOWN = "sftp-down"


class WindowState(StrEnum):
    """Planned is waiting for approval; only an approved window opens."""

    PLANNED = "planned"
    APPROVED = "approved"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """An RFC 5545 rule in the hospital's time zone.

    ``start`` is the first local start (naive wall time), ``duration`` the length of each occurrence,
    ``rule`` the RRULE value without its prefix, ``exceptions`` local starts left out.
    """

    start: datetime
    duration: timedelta
    rule: str
    exceptions: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One opening of a window: the half-open UTC interval ``[start, end)``."""

    id: OccurrenceId
    window_id: WindowId
    start: datetime
    end: datetime

    def contains(self, at: datetime) -> bool:
        """Tell whether the aware instant *at* falls in ``[start, end)``."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRule:
    """T10 as agreed for a window.

    ``limit``: silence after which a session is cut. ``output_counts``: the device's output counts as
    activity, but never beyond ``ceiling`` without a keystroke.
    """

    limit: timedelta
    output_counts: bool = False
    ceiling: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The only time at which access may open.

    ``devices`` and ``groups`` name what may be reached (either may be empty, not both). ``account`` is the
    name of the dedicated account, None where the device has just one. ``occurrences`` are those stored.
    ``version`` grows with every change: whoever changes or approves says which version she looked at.
    """

    id: WindowId
    hospital_id: HospitalId
    intervention_id: InterventionId
    people: frozenset[PersonId]
    devices: frozenset[DeviceId]
    groups: frozenset[str]
    account: str | None
    channels: frozenset[Channel]
    idle: IdleRule
    purpose: str
    state: WindowState
    requested_by: PersonId
    approved_by: PersonId | None
    recurrence: Recurrence | None
    occurrences: tuple[Occurrence, ...] = field(default=())
    version: int = 1

    def occurrence_at(self, at: datetime) -> Occurrence | None:
        """Return the occurrence open at the aware instant *at*, or None."""
        return next((occurrence for occurrence in self.occurrences if occurrence.contains(at)), None)

    def next_occurrence(self, after: datetime) -> Occurrence | None:
        """Return the first occurrence that starts strictly after the aware instant *after*, or None."""
        later = [occurrence for occurrence in self.occurrences if occurrence.start > after]
        return min(later, key=lambda occurrence: occurrence.start, default=None)
