"""Rehearsing the general cut: everything but the cut itself, timed gateway by gateway, and kept."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from policy.clock import Clock
from policy.domain.exercises import Exercise
from policy.domain.ids import HospitalId, PersonId, new_id
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database

WITHIN_SECONDS: Final = 10.0
"""How long gateways are waited for; a cut should reach them within two."""
_LOOKED_EVERY: Final = 0.1


class ExerciseService(Service):
    """Runs exercises and keeps them."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep exercises in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def run(
        self, actor: PersonId, hospital_id: HospitalId, reason: str, *, within: float = WITHIN_SECONDS
    ) -> Exercise:
        """Tell every gateway of the hospital, as a cut would, and wait *within* seconds until each has answered; nothing is cut.

        Raises InvalidInput, Forbidden.
        """
        why = inputs.line(reason, "reason", longest=500)
        begun = Exercise(
            id=new_id(), hospital_id=hospital_id, begun_at=self._clock.now(), begun_by=actor, reason=why
        )
        async with self._acting(actor, hospital_id, Duty.STOP) as work:
            expected = await work.exercises.gateways(hospital_id, begun.begun_at - self._settings.lease)
            await work.exercises.insert(begun)
            await work.emit("exercise.begun", hospital_id, begun.id, {}, {"reason": why})
        heard = await self._heard(begun, expected, within)
        gateways = [
            {
                "node": node,
                "seconds": heard.get(node, (None, 0))[0],
                "sessions": heard.get(node, (None, 0))[1],
            }
            for node in sorted({*expected, *heard})
        ]
        done = replace(begun, finished_at=self._clock.now(), result={"gateways": gateways})
        async with self._database.unit_of_work(actor, self._clock) as work:
            await work.exercises.finish(done)
            await work.emit("exercise.finished", hospital_id, done.id, {}, {"gateways": gateways})
        return done

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Exercise]:
        """Return all exercises that there ever were, the last one first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await view.exercises.list(hospital_id)

    async def _heard(
        self, begun: Exercise, expected: Sequence[str], within: float
    ) -> dict[str, tuple[float, int]]:
        """How many seconds it took until each gateway was known to have heard; by one clock, that of this process."""
        start = time.monotonic()
        found: dict[str, tuple[float, int]] = {}
        while True:
            async with self._database.read() as view:
                answers = await view.exercises.answers(begun.hospital_id, begun.id)
            passed = time.monotonic() - start
            for node, sessions in answers.items():
                found.setdefault(node, (round(passed, 2), sessions))
            if passed >= within or found.keys() >= set(expected):
                return found
            await asyncio.sleep(_LOOKED_EVERY)
