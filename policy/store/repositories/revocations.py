"""Cuts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select

from policy.domain.access import Revocation
from policy.domain.ids import HospitalId, new_id
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.revocations.c


class Revocations(Repository):
    """Table ``revocations``: only ever added to."""

    async def insert(self, revocation: Revocation) -> None:
        """Add a cut."""
        row = {
            "id": new_id(),
            "hospital_id": revocation.hospital_id,
            "scope": revocation.scope.value,
            "target": revocation.target,
            "at": revocation.at,
            "reason": revocation.reason,
            "by_id": revocation.by,
        }
        await self._connection.execute(insert(t.revocations).values(row))

    async def list(self, hospital_id: HospitalId, since: datetime) -> Sequence[Revocation]:
        """Return the cuts made at *since* or later, oldest first."""
        query = select(t.revocations).where((_c.hospital_id == hospital_id) & (_c.at >= since))
        return [
            mapping.revocation(row) for row in await self._connection.execute(query.order_by(_c.at, _c.id))
        ]
