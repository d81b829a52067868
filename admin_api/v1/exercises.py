"""Exercises of the general cut: run, and those that were."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from admin_api.deps import Ctx, Who
from admin_api.security.permissions import READING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason, shown
from policy.domain.exercises import Exercise, due

router = APIRouter(prefix="/exercises", tags=["sessions"], route_class=GuardedRoute)


class ExerciseOut(BaseModel):
    """One exercise. ``gateways`` is empty while it runs."""

    id: str
    begun_at: datetime
    begun_by: str
    reason: str
    finished_at: datetime | None
    gateways: list[dict[str, Any]] = Field(
        description="`node`, `seconds` until it had heard (null: not in time), `sessions` that a cut would have ended."
    )

    @classmethod
    def of(cls, one: Exercise) -> "ExerciseOut":
        """Show an exercise."""
        gateways = (one.result or {}).get("gateways")
        return shown(cls, one, gateways=gateways if isinstance(gateways, list) else [])


class ExercisesOut(BaseModel):
    """All exercises, the last one first, and whether another one is due."""

    items: list[ExerciseOut]
    due: bool


@router.get("", openapi_extra=READING)
async def list_exercises(context: Ctx, who: Who) -> ExercisesOut:
    """List the exercises that there were."""
    found = await context.services.exercises.list(who.person.id, who.hospital_id)
    last = next((one for one in found if one.result is not None), None)
    return ExercisesOut(items=[ExerciseOut.of(one) for one in found], due=due(last, context.clock.now()))


@router.post("", status_code=201, openapi_extra=STOPPING)
async def run_exercise(context: Ctx, who: Who, body: Reason) -> ExerciseOut:
    """Rehearse the general cut: every gateway is told as by a cut and answers; nothing is cut. Takes ten seconds at most."""
    return ExerciseOut.of(await context.services.exercises.run(who.person.id, who.hospital_id, body.reason))
