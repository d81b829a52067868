"""Extensions of occurrences, asked by one person and decided by another."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update

from policy.domain.ids import HospitalId, PersonId, WindowId
from policy.domain.windows import Extension
from policy.errors import Conflict
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.extensions.c


class Extensions(Repository):
    """Table ``extensions``."""

    async def insert(self, extension: Extension) -> None:
        """Add what somebody asked for."""
        row = mapping.columns(extension, "end", end_at=extension.end)
        await self._connection.execute(insert(t.extensions).values(row))

    async def get(self, hospital_id: HospitalId, extension_id: str) -> Extension:
        """Return one; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == extension_id)
        return _extension(await self._only(select(t.extensions).where(where), "extension", extension_id))

    async def list(self, hospital_id: HospitalId) -> Sequence[Extension]:
        """Return those that wait for a decision, oldest first."""
        query = select(t.extensions).where((_c.hospital_id == hospital_id) & _c.decided_by.is_(None))
        rows = await self._connection.execute(query.order_by(_c.requested_at, _c.id))
        return [_extension(row) for row in rows]

    async def of_person(
        self, hospital_id: HospitalId, person_id: PersonId, windows: Collection[WindowId]
    ) -> Sequence[Extension]:
        """Return what the person asked for of these *windows*, decided or not, oldest first."""
        mine = (_c.hospital_id == hospital_id) & (_c.requested_by == person_id)
        query = select(t.extensions).where(mine & _c.window_id.in_(list(windows)))
        rows = await self._connection.execute(query.order_by(_c.requested_at, _c.id))
        return [_extension(row) for row in rows]

    async def decide(
        self, extension: Extension, by: PersonId, *, approved: bool, answer: str | None = None
    ) -> None:
        """Write the decision; raises Conflict where there is one already."""
        where = (_c.hospital_id == extension.hospital_id) & (_c.id == extension.id) & _c.decided_by.is_(None)
        values = {"decided_by": by, "approved": approved, "answer": answer}
        done = await self._connection.execute(update(t.extensions).where(where).values(values))
        if done.rowcount != 1:
            raise Conflict("this extension was decided already")


def _extension(row: Row[Any]) -> Extension:
    return mapping.read(Extension, row, end=row.end_at)
