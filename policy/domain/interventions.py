"""Interventions: goal-bound files that windows and sessions belong to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.domain.ids import HospitalId, InterventionId, PersonId, SupplierId


class InterventionKind(StrEnum):
    """Télésurveillance, télémaintenance, téléassistance."""

    REMOTE_MONITORING = "remote_monitoring"
    REMOTE_MAINTENANCE = "remote_maintenance"
    REMOTE_ASSISTANCE = "remote_assistance"


class InterventionState(StrEnum):
    """Where an intervention stands (glossary)."""

    REQUESTED = "requested"
    APPROVED = "approved"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    TO_CLOSE = "to_close"
    CLOSED = "closed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """Why somebody may come: kind, supplier and purpose."""

    id: InterventionId
    hospital_id: HospitalId
    supplier_id: SupplierId
    kind: InterventionKind
    purpose: str
    state: InterventionState
    requested_by: PersonId
    requested_at: datetime

    @property
    def workable(self) -> bool:
        """Whether sessions may serve it: it was approved, and is neither on hold nor near its close."""
        return self.state in {InterventionState.APPROVED, InterventionState.IN_PROGRESS}
