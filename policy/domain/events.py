"""Policy events: what changed, by whom, before and after. One row with each change (invariant 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policy.domain.ids import EventId, HospitalId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEvent:
    """One committed change.

    ``name`` is ``noun.verb`` in the past (``window.approved``, ``session.cut``); ``subject`` the id of what
    changed; ``before`` and ``after`` hold no secret; ``actor`` is None for the installation itself.
    """

    id: EventId
    hospital_id: HospitalId
    at: datetime
    name: str
    actor: PersonId | None
    subject: str
    before: Mapping[str, object]
    after: Mapping[str, object]
