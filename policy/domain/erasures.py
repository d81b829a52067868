"""Early erasure of one recording: asked for by one person with a reason, approved by another."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from policy.domain.ids import HospitalId, PersonId

ANSWERED_WITHIN: Final = timedelta(days=30)
"""What nobody decided by then must be asked for again."""


class ErasureState(StrEnum):
    """Where a request stands. ``DONE``: the recording can be read no more."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The wish that one session's recording be erased before its time. Instants are aware UTC.

    ``person_id`` and ``device_id`` are those of the session. ``decided_by`` approved or refused, with an ``answer``.
    """

    id: str
    hospital_id: HospitalId
    session_id: str
    person_id: str
    device_id: str
    reason: str
    state: ErasureState
    asked_by: PersonId
    asked_at: datetime
    decided_by: PersonId | None = None
    decided_at: datetime | None = None
    answer: str | None = None
    done_at: datetime | None = None
