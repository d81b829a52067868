"""Shapes of interventions and intervention windows."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from admin_api.v1.schemas.base import (
    Identifier,
    InOrder,
    Input,
    Name,
    Page,
    Shown,
    Text,
    example,
    shown,
    wall,
)
from policy.domain.factors import Level
from policy.domain.interventions import InterventionKind, InterventionState
from policy.domain.windows import Channel, Occurrence, Window, WindowState

LOCAL_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$"
"""A wall-clock time in the hospital's time zone, with no offset: the zone is the hospital's own."""

Fold = Literal["first", "second"]


class InterventionOut(Shown):
    """Why somebody may come."""

    id: str
    supplier_id: str
    kind: InterventionKind
    purpose: str
    state: InterventionState
    requested_by: str
    requested_at: datetime


class InterventionsPage(Page[InterventionOut]):
    """One page of interventions."""


class InterventionIn(Input):
    """An intervention to open: several windows may then belong to it."""

    model_config = example(
        supplier_id="0b7c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        kind="remote_maintenance",
        purpose="Mise à jour 4.2 du scanner",
    )

    supplier_id: Identifier
    kind: InterventionKind
    purpose: Text


class OccurrenceOut(BaseModel):
    """One opening, in UTC and on the hospital's own clock; the end is not part of it."""

    id: str
    start: datetime
    end: datetime
    start_local: str
    end_local: str

    @classmethod
    def of(cls, occurrence: Occurrence, timezone: str) -> "OccurrenceOut":
        """Show *occurrence*, also as the wall time of *timezone* (an IANA name)."""
        return shown(
            cls,
            occurrence,
            start_local=wall(occurrence.start, timezone),
            end_local=wall(occurrence.end, timezone),
        )


class IdleBody(Input):
    """Rule T10 as agreed, in seconds. ``ceiling_seconds``: how long output alone may keep a session alive."""

    limit_seconds: int = Field(ge=30, le=86400)
    output_counts: bool = False
    ceiling_seconds: int | None = Field(default=None, ge=30, le=86400)


class RecurrenceBody(Input):
    """RFC 5545 in the hospital's time zone; exceptions are local starts left out."""

    rule: str = Field(min_length=6, max_length=500, examples=["FREQ=WEEKLY;BYDAY=TU"])
    exceptions: list[str] = Field(default_factory=list, max_length=400)


class ForwardBody(Input):
    """A port of the device itself that may be forwarded (``ssh -L``), with what people call it."""

    model_config = example(port=443, label="console")

    port: int = Field(ge=1, le=65535)
    label: str | None = Field(default=None, min_length=1, max_length=40)


class WindowOut(BaseModel):
    """An intervention window."""

    id: str
    intervention_id: str
    people: InOrder[str]
    devices: InOrder[str]
    groups: InOrder[str]
    account: str | None
    channels: InOrder[Channel]
    forwards: list[ForwardBody]
    idle: IdleBody
    outage_grace_seconds: int = Field(
        description="How long a télémaintenance outlasts an unreachable trace store; the other kinds spool on."
    )
    purpose: str
    state: WindowState
    requested_by: str
    approved_by: str | None
    answer: str | None = Field(description="Why it was refused, as who asked for it reads.")
    rule: str | None
    level: Level
    version: int
    occurrences: list[OccurrenceOut]

    @classmethod
    def of(cls, window: Window, occurrences: list[OccurrenceOut]) -> "WindowOut":
        """Show *window* with the *occurrences* chosen, already on the hospital's clock."""
        ceiling = window.idle.ceiling
        return shown(
            cls,
            window,
            idle=IdleBody(
                limit_seconds=int(window.idle.limit.total_seconds()),
                output_counts=window.idle.output_counts,
                ceiling_seconds=int(ceiling.total_seconds()) if ceiling is not None else None,
            ),
            outage_grace_seconds=int(window.outage_grace.total_seconds()),
            rule=window.recurrence.rule if window.recurrence is not None else None,
            occurrences=occurrences,
        )


class WindowsPage(Page[WindowOut]):
    """One page of windows."""


class PlannerNote(BaseModel):
    """Something the planner should know; it refuses nothing."""

    key: str
    message: str


class Planned(BaseModel):
    """The window as it now stands, and what the planner should know of it."""

    window: WindowOut
    warnings: list[PlannerNote]


class LocalTimes(Input):
    """When, on the hospital's own clock."""

    start: str = Field(pattern=LOCAL_TIME, examples=["2026-11-23 20:00"])
    end: str = Field(pattern=LOCAL_TIME, examples=["2026-11-23 22:00"])
    start_fold: Fold | None = Field(default=None, description="Which one, for a start that exists twice.")
    end_fold: Fold | None = Field(default=None, description="Which one, for an end that exists twice.")
    shift: bool = Field(default=False, description="Moves a time that does not exist forward by the gap.")

    def folds(self) -> tuple[int | None, int | None]:
        """Return what was said of start and end as policy reads it: 0 the first, 1 the second."""
        return _fold(self.start_fold), _fold(self.end_fold)


class WindowIn(LocalTimes):
    """A window to plan. It opens nothing before somebody else approves it.

    Either ``intervention_id`` names an intervention, or ``kind`` and ``supplier_id`` open a new one.
    """

    model_config = example(
        kind="remote_maintenance",
        supplier_id="0b7c0f5e4f3a4ac5b0f6c0a9b1a2c3d4",
        people=["9a1c0f5e4f3a4ac5b0f6c0a9b1a2c3d4"],
        devices=["d1c00f5e4f3a4ac5b0f6c0a9b1a2c3d4"],
        channels=["shell", "sftp-up"],
        purpose="Mise à jour 4.2 du scanner",
        start="2026-11-23 20:00",
        end="2026-11-23 22:00",
    )

    intervention_id: Identifier | None = None
    kind: InterventionKind | None = None
    supplier_id: Identifier | None = None
    people: set[Identifier] = Field(min_length=1, max_length=200)
    devices: set[Identifier] = Field(default_factory=set, max_length=200)
    groups: set[Name] = Field(default_factory=set, max_length=50)
    account: Name | None = None
    channels: set[Channel] = Field(
        default_factory=set, description="At least one, but where a port is all that is needed."
    )
    forwards: list[ForwardBody] = Field(
        default_factory=list,
        max_length=16,
        description="Ports of the device that may be forwarded, never its SSH port.",
    )
    idle: IdleBody | None = None
    outage_grace_seconds: int | None = Field(
        default=None,
        ge=0,
        le=14_400,
        description="How long a télémaintenance outlasts an unreachable trace store, where longer than the installation's.",
    )
    purpose: Text
    recurrence: RecurrenceBody | None = None
    level: Level = Field(default=Level.STANDARD, description="What a log-in must reach.")


class Approval(Input):
    """Which version of the window was looked at: one changed since is not approved unseen."""

    model_config = example(version=1)

    version: int = Field(ge=1)


class Refusal(Input):
    """Which version of the window was looked at, and why it is refused: who asked for it reads that."""

    model_config = example(version=1, reason="Le bloc est en service")

    version: int = Field(ge=1)
    reason: Text


class Stretch(Input):
    """By how many minutes the end of an occurrence moves; by default of the one open now, else the next."""

    model_config = example(minutes=30)

    minutes: int = Field(ge=1, le=1440)
    occurrence_id: Identifier | None = None


class MoreTime(Stretch):
    """An extension to ask for, with why: who decides reads it."""

    model_config = example(minutes=30, reason="Le dernier essai n'est pas fini")

    reason: str = Field(default="", max_length=500)


class Move(LocalTimes):
    """New times for the version looked at, with the recurrence where there is one."""

    model_config = example(version=2, start="2026-11-24 20:00", end="2026-11-24 22:00")

    version: int = Field(ge=1)
    recurrence: RecurrenceBody | None = None


class ExtensionOut(Shown):
    """An extension asked for, which somebody else than its requester decides on."""

    id: str
    window_id: str
    occurrence_id: str
    end: datetime
    requested_by: str
    requested_at: datetime
    reason: str
    decided_by: str | None
    approved: bool | None
    answer: str | None


class ExtensionsPage(Page[ExtensionOut]):
    """Extensions that wait for a decision."""


class Decision(Input):
    """Yes or no, and why: who asked reads it, and a no cannot do without."""

    model_config = example(approve=False, reason="Le bloc reprend à 22:00")

    approve: bool
    reason: str | None = Field(default=None, max_length=500)


def _fold(choice: Fold | None) -> int | None:
    return None if choice is None else ("first", "second").index(choice)
