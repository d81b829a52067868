"""Intervention windows: who, on what, by which channels, and when (rule O3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from policy.domain.devices import Device
from policy.domain.factors import Level
from policy.domain.ids import (
    DeviceId,
    HospitalId,
    InterventionId,
    OccurrenceId,
    PersonId,
    WindowId,
)

OUTAGE_GRACE: Final = timedelta(seconds=60)
"""How long a télémaintenance outlasts an unreachable trace store where nobody said longer."""


class Channel(StrEnum):
    """What a window may allow. A shell makes the direction of files moot."""

    SHELL = "shell"
    EXEC = "exec"
    SFTP_UP = "sftp-up"
    SFTP_DOWN = "sftp-down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A port of the device itself that may be reached through a session (``ssh -L``): a web console, a database.

    ``label`` is what the planner calls it, for people; None where the number says enough.
    """

    port: int
    label: str | None = None

    @property
    def shown(self) -> str:
        """The port with its label, such as ``443 (console)``."""
        return str(self.port) if self.label is None else f"{self.port} ({self.label})"


class WindowState(StrEnum):
    """Planned is waiting for approval; only an approved window opens."""

    PLANNED = "planned"
    APPROVED = "approved"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether a window in this state opens nothing any more, whatever becomes of it."""
        return self in {WindowState.REFUSED, WindowState.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """An RFC 5545 rule in the hospital's time zone.

    ``start`` is the first local start (naive wall time), ``duration`` the length of each occurrence,
    ``rule`` the RRULE value without its prefix, ``exceptions`` local starts left out. The end is wall time
    too: 20:00 and two hours is 20:00-22:00 on every day of the year, 01:00 and three hours is 01:00-04:00
    even in the night the clocks change.

    What the planner said of the two nights of clock change: ``fold`` is which of two equal local times is
    meant (0 the first, 1 the second, None: not said); ``shift`` moves a local time that does not exist
    forward by the gap (RFC 5545 §3.3.5), False: not said. What was not said is refused.
    """

    start: datetime
    duration: timedelta
    rule: str
    exceptions: tuple[datetime, ...] = ()
    fold: int | None = None
    shift: bool = False


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
    name of the dedicated account; None is the device's own, and where it has several the person must say
    which. ``occurrences`` are those stored.
    ``forwards`` are ports of the device that may be forwarded, by number; none: no forwarding.
    ``outage_grace`` is how long a live télémaintenance outlasts an unreachable trace store (T11); the other kinds
    have the spool instead (T12).
    ``level`` is what a log-in must reach, beside what the device demands.
    ``answer`` is why it was refused, in the words that whoever asked for it reads.
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
    answer: str | None = None
    level: Level = Level.STANDARD
    forwards: tuple[Forward, ...] = ()
    outage_grace: timedelta = OUTAGE_GRACE

    def concerns(self, person: PersonId, device: Device) -> bool:
        """Tell whether this window names *person* and *device*, the latter by id or by one of its groups."""
        return (
            self.hospital_id == device.hospital_id
            and person in self.people
            and (device.id in self.devices or not self.groups.isdisjoint(device.groups))
        )

    def allows_account(self, name: str) -> bool:
        """Tell whether a session of this window may use the dedicated account called *name*."""
        return self.account is None or self.account == name

    @property
    def approved(self) -> bool:
        """Whether somebody other than its requester approved it, and nobody cancelled it since."""
        return (
            self.state is WindowState.APPROVED
            and self.approved_by is not None
            and self.approved_by != self.requested_by
        )

    def open_until(self, at: datetime) -> datetime | None:
        """Return the instant at which this window closes if it is open at the aware instant *at*, else None.

        Occurrences that touch or overlap are one opening: a round-the-clock window does not close at midnight.
        """
        end: datetime | None = None
        for occurrence in sorted(self.occurrences, key=lambda one: one.start):
            if end is None:
                end = occurrence.end if occurrence.contains(at) else None
            elif occurrence.start <= end:
                end = max(end, occurrence.end)
            else:
                break
        return end

    def occurrence_at(self, at: datetime) -> Occurrence | None:
        """Return the occurrence open at the aware instant *at*, or None."""
        return next((occurrence for occurrence in self.occurrences if occurrence.contains(at)), None)

    def next_occurrence(self, after: datetime) -> Occurrence | None:
        """Return the first occurrence that starts strictly after the aware instant *after*, or None."""
        later = [occurrence for occurrence in self.occurrences if occurrence.start > after]
        return min(later, key=lambda occurrence: occurrence.start, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """More time asked for an occurrence, until ``end`` (aware UTC), to be decided by somebody else.

    ``reason`` is why it is asked for, ``answer`` what whoever decided says of it. ``approved`` is None until
    ``decided_by`` has said.
    """

    id: str
    hospital_id: HospitalId
    window_id: WindowId
    occurrence_id: OccurrenceId
    end: datetime
    requested_by: PersonId
    requested_at: datetime
    reason: str = ""
    decided_by: PersonId | None = None
    approved: bool | None = None
    answer: str | None = None
