"""Legal holds (*gel*): what must not be destroyed, whatever retention and two persons say (rule S29)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policy.domain.ids import HospitalId, PersonId
from policy.domain.keeping import NOTICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is known of one recorded session without reading it. ``closed_at`` is None while it is open."""

    session_id: str
    person_id: str
    device_id: str
    intervention_id: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One hold, for the ``case`` (*affaire*) that it is placed for.

    It covers the sessions that meet every criterion that is not None: of this session, person, device or
    intervention, and open at some time in ``[since, until)``; sessions to come too, until it is lifted. Instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    case: str
    reason: str
    session_id: str | None = None
    person_id: str | None = None
    device_id: str | None = None
    intervention_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    placed_by: PersonId
    placed_at: datetime
    lifted_by: PersonId | None = None
    lifted_at: datetime | None = None
    lift_reason: str | None = None

    def covers(self, one: Recorded) -> bool:
        """Tell whether the session is one of those that it was placed for, in force or not."""
        same = (
            self.session_id in {None, one.session_id}
            and self.person_id in {None, one.person_id}
            and self.device_id in {None, one.device_id}
            and self.intervention_id in {None, one.intervention_id}
        )
        begun = self.until is None or one.opened_at < self.until
        not_over = self.since is None or one.closed_at is None or one.closed_at >= self.since
        recorded_under = self.lifted_at is None or one.opened_at < self.lifted_at
        return same and begun and not_over and recorded_under

    def suspends(self, at: datetime) -> bool:
        """Tell whether it keeps what it covers at *at*: also for `NOTICE` after it was lifted, so that others see it."""
        return self.lifted_at is None or at < self.lifted_at + NOTICE


def holding(holds: Iterable[Hold], one: Recorded, at: datetime) -> tuple[Hold, ...]:
    """Return those of *holds* that keep the session at the aware instant *at*."""
    return tuple(hold for hold in holds if hold.suspends(at) and hold.covers(one))
