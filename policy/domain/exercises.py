"""Exercises: the general cut rehearsed. Nothing is cut; each gateway says that it heard, and how fast is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.ids import HospitalId, PersonId

DUE: Final = timedelta(days=183)
"""How long after the last exercise another one is due (S40)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One rehearsal. Instants are aware UTC; ``result`` is None until it is over, and after a crash of the console.

    ``result`` has ``gateways``: for each its ``node``, the ``seconds`` until it was known to have heard (None: it was
    not heard of in time) and how many ``sessions`` a real cut would have ended there.
    """

    id: str
    hospital_id: HospitalId
    begun_at: datetime
    begun_by: PersonId
    reason: str
    finished_at: datetime | None = None
    result: Mapping[str, object] | None = None


def due(last: Exercise | None, now: datetime) -> bool:
    """Tell whether an exercise is due at the aware instant *now*, *last* being the last one that ended."""
    return last is None or now >= last.begun_at + DUE
