"""Rehearsals of the general cut."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select, update

from policy.domain.exercises import Exercise
from policy.domain.ids import HospitalId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository


class Exercises(Repository):
    """Tables ``exercises`` and ``exercise_answers``: rows are added, and an exercise is told once how it went."""

    async def insert(self, exercise: Exercise) -> None:
        """Add one that begins."""
        await self._connection.execute(insert(t.exercises).values(mapping.columns(exercise)))

    async def finish(self, exercise: Exercise) -> None:
        """Write how it went."""
        c = t.exercises.c
        mine = (c.hospital_id == exercise.hospital_id) & (c.id == exercise.id)
        values = {"finished_at": exercise.finished_at, "result": exercise.result}
        await self._connection.execute(update(t.exercises).where(mine).values(values))

    async def list(self, hospital_id: HospitalId) -> Sequence[Exercise]:
        """Return all that there ever were, the last one first."""
        c = t.exercises.c
        query = select(t.exercises).where(c.hospital_id == hospital_id).order_by(c.begun_at.desc(), c.id)
        rows = await self._connection.execute(query)
        return [mapping.read(Exercise, row) for row in rows]

    async def answer(self, hospital_id: HospitalId, exercise_id: str, node: str, sessions: int) -> None:
        """Note that gateway *node* heard, and would have ended so many *sessions*."""
        row = {
            "hospital_id": hospital_id,
            "exercise_id": exercise_id,
            "node": node,
            "sessions": sessions,
        }
        await self._connection.execute(insert(t.exercise_answers).values(row))

    async def answers(self, hospital_id: HospitalId, exercise_id: str) -> Mapping[str, int]:
        """Return how many sessions each gateway that heard would have ended."""
        c = t.exercise_answers.c
        query = select(c.node, c.sessions).where(
            (c.hospital_id == hospital_id) & (c.exercise_id == exercise_id)
        )
        return {row.node: row.sessions for row in await self._connection.execute(query)}

    async def gateways(self, hospital_id: HospitalId | None, beat_since: datetime) -> Sequence[str]:
        """Return the hospital's gateways (None: everybody's) that gave a sign of life at *beat_since* or later.

        One of a version that does not say whose it is counts for each hospital.
        """
        c = t.nodes.c
        query = select(c.node).where(c.beat_at >= beat_since).order_by(c.node)
        if hospital_id is not None:
            query = query.where((c.hospital_id == hospital_id) | c.hospital_id.is_(None))
        return list((await self._connection.execute(query)).scalars())
