"""A row in each table of retention, holds, erasures and exercises, for tests that look at all tables."""

from datetime import datetime

from policy.domain.erasures import Erasure, ErasureState
from policy.domain.exercises import Exercise
from policy.domain.holds import Hold
from policy.domain.ids import HospitalId, PersonId
from policy.domain.keeping import RetentionRule
from policy.store.unit_of_work import UnitOfWork


async def furnish_keeping(work: UnitOfWork, here: HospitalId, person: PersonId, at: datetime) -> None:
    """Put one row into each table, in the caller's transaction."""
    rule = RetentionRule(
        id=f"{here[:31]}r",
        hospital_id=here,
        recordings_days=120,
        reason="essai",
        asked_by=person,
        asked_at=at,
    )
    await work.retention_rules.insert(rule)
    hold = Hold(
        id=f"{here[:31]}h",
        hospital_id=here,
        case="Affaire",
        reason="essai",
        session_id="s",
        placed_by=person,
        placed_at=at,
    )
    await work.holds.insert(hold)
    erasure = Erasure(
        id=f"{here[:31]}e",
        hospital_id=here,
        session_id="s",
        person_id="p",
        device_id="d",
        reason="essai",
        state=ErasureState.ASKED,
        asked_by=person,
        asked_at=at,
    )
    await work.erasures.insert(erasure)
    exercise = Exercise(id=f"{here[:31]}x", hospital_id=here, begun_at=at, begun_by=person, reason="essai")
    await work.exercises.insert(exercise)
    await work.exercises.answer(here, exercise.id, "gw1", 0)
