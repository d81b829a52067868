"""Extensions of occurrences, asked by one person and decided by another."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.ids import HospitalId, PersonId, WindowId
from policy.domain.windows import Extension
from policy.errors import Conflict, NotFound
from policy.store import tables as t

_c = t.extensions.c


class Extensions:
    """Table ``extensions``."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work on *connection*."""
        self._connection = connection

    async def insert(self, extension: Extension) -> None:
        """Add what somebody asked for."""
        row = {name: getattr(extension, name) for name in Extension.__dataclass_fields__ if name != "end"}
        await self._connection.execute(insert(t.extensions).values(row | {"end_at": extension.end}))

    async def get(self, hospital_id: HospitalId, extension_id: str) -> Extension:
        """Return one; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == extension_id)
        row = (await self._connection.execute(select(t.extensions).where(where))).first()
        if row is None:
            raise NotFound("extension", extension_id)
        return _extension(row)

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
    return Extension(
        id=row.id,
        hospital_id=row.hospital_id,
        window_id=row.window_id,
        occurrence_id=row.occurrence_id,
        end=row.end_at,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        reason=row.reason,
        decided_by=row.decided_by,
        approved=row.approved,
        answer=row.answer,
    )
