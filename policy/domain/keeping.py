"""How long a hospital keeps its recordings, and what may be set (rule S13; the journal: ADR 39)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.ids import HospitalId, PersonId

SHORTEST: Final = 92
"""Days: three months, whichever they are. Nothing is kept for less (S13)."""
HALF_YEAR: Final = 183
"""Days below which a written reason is asked for; also how long recordings are kept unless somebody sets it."""
YEAR: Final = 366
"""Days above which a reason and who decided are asked for."""
LONGEST: Final = 3660
NOTICE: Final = timedelta(days=7)
"""Between a decision after which something may be destroyed and the first destruction: time to object, and to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """How long one hospital keeps its recordings: asked for by one, and where it is shortened approved by another.

    ``recordings_days`` counts from the end of a session. ``decider`` names who answers for it outside of this program.
    It is in force from ``effective_at`` on, until a later one is; None: it
    waits for approval. ``ended_at``: it was refused, or overtaken before it was in force. Instants are aware UTC.
    """

    id: str
    hospital_id: HospitalId
    recordings_days: int = HALF_YEAR
    reason: str = ""
    decider: str = ""
    asked_by: PersonId | None = None
    asked_at: datetime | None = None
    approved_by: PersonId | None = None
    approved_at: datetime | None = None
    effective_at: datetime | None = None
    ended_at: datetime | None = None

    def shortens(self, other: "RetentionRule") -> bool:
        """Tell whether something would be destroyed earlier than by *other*."""
        return self.recordings_days < other.recordings_days

    def state(self, at: datetime) -> str:
        """Return ``asked``, ``coming``, ``set`` (in force, now or before a later one) or ``ended`` at *at*."""
        if self.ended_at is not None:
            return "ended"
        if self.effective_at is None:
            return "asked"
        return "set" if self.effective_at <= at else "coming"


def usual(hospital_id: HospitalId) -> RetentionRule:
    """Return the rule of a hospital that never set one."""
    return RetentionRule(id="", hospital_id=hospital_id)


def in_force(hospital_id: HospitalId, rules: Iterable[RetentionRule], at: datetime) -> RetentionRule:
    """Return the one of *rules* that holds at the aware instant *at*; the usual one where none does."""
    found = [
        (one.effective_at, one) for one in rules if one.effective_at is not None and one.ended_at is None
    ]
    past = [(since, one) for since, one in found if since <= at]
    return max(past, key=lambda each: (each[0], each[1].id))[1] if past else usual(hospital_id)
