"""Reports of interventions (rule O5): what the supplier's people did, for those it was done for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, InterventionId, PersonId, SessionId


class ReportState(StrEnum):
    """Due until somebody files it; acknowledged once the hospital has read it, and final then."""

    DUE = "due"
    FILED = "filed"
    ACKNOWLEDGED = "acknowledged"


class Goal(StrEnum):
    """What became of the intervention's goal, as its technician declares it."""

    REACHED = "reached"
    PENDING = "pending"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report an intervention. ``facts`` are what policy itself knows of its sessions; instants are UTC."""

    id: str
    hospital_id: HospitalId
    intervention_id: InterventionId
    author_id: PersonId
    state: ReportState
    goal: Goal
    what: str
    facts: Mapping[str, object]
    filed_at: datetime
    acknowledged_by: PersonId | None = None
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedSession:
    """A session as a report counts it; ``closed_at`` is None while it lasts."""

    session_id: SessionId
    intervention_id: InterventionId
    person_id: PersonId
    device_name: str
    opened_at: datetime
    closed_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Where the report of an intervention stands.

    ``due_at`` is until when it is to be filed; ``report`` is None while it is due.
    """

    intervention_id: InterventionId
    purpose: str
    devices: tuple[str, ...]
    sessions: int
    last_at: datetime
    due_at: datetime
    report: Report | None

    @property
    def state(self) -> ReportState:
        """The report's state."""
        return ReportState.DUE if self.report is None else self.report.state
