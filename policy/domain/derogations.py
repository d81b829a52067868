"""Derogations: a weakness of one device that somebody answers for, with a reason and until a date."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.ids import DerogationId, DeviceId, HospitalId, PersonId

NEARLY_OVER: Final = timedelta(days=30)
"""How long before its end a derogation is announced as ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derogation:
    """One *weakness* of one device, accepted by ``decided_by`` for ``reason`` until ``expires_at``, exclusive.

    ``weakness`` is ``kind=name`` as in ``Algorithms.weaknesses``. Instants are aware UTC; ``withdrawn_at`` is
    None as long as nobody has taken it back.
    """

    id: DerogationId
    hospital_id: HospitalId
    device_id: DeviceId
    weakness: str
    reason: str
    decided_by: PersonId
    decided_at: datetime
    expires_at: datetime
    withdrawn_at: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Tell whether it covers its weakness at the aware instant *at*."""
        return self.withdrawn_at is None and at < self.expires_at

    def nearly_over(self, at: datetime) -> bool:
        """Tell whether it is in force at *at*, and ends within thirty days of it."""
        return self.in_force(at) and self.expires_at - at <= NEARLY_OVER
