"""Log-in attempts, in the order they came, kept over a restart."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from policy.domain.attempts import Attempt, AttemptKind, AttemptOutcome
from policy.domain.ids import HospitalId
from policy.errors import NotFound
from policy.store import mapping
from policy.store import tables as t
from policy.store.dialects import hold
from policy.store.repositories.repository import Repository

_c = t.attempts.c


class Attempts(Repository):
    """Table ``attempts``."""

    async def hold(self, hospital_id: HospitalId, login: str, origin: str) -> None:
        """Wait until no other unit of work decides on this login or this origin, and keep them out until its end.

        Locks are taken in one order whoever asks, so that two attempts cannot wait for each other.
        """
        await hold(self._connection, f"{hospital_id}/login/{login}", f"{hospital_id}/origin/{origin}")

    async def recent(
        self, hospital_id: HospitalId, login: str, origin: str, since: datetime
    ) -> Sequence[Attempt]:
        """Return the attempts on *login* (from anywhere) or from *origin* (on anybody) since *since*.

        In the order they were inserted, which a clock that steps back does not change.
        """
        where = (
            (_c.hospital_id == hospital_id) & ((_c.login == login) | (_c.origin == origin)) & (_c.at >= since)
        )
        rows = await self._connection.execute(select(t.attempts).where(where).order_by(_c.position))
        return [_attempt(row) for row in rows]

    async def insert(self, attempt: Attempt) -> None:
        """Add an attempt."""
        await self._connection.execute(insert(t.attempts).values(mapping.columns(attempt)))

    async def settle(self, attempt_id: str, outcome: AttemptOutcome) -> None:
        """Write the outcome of a pending attempt; raises NotFound where it is not pending."""
        where = (_c.id == attempt_id) & (_c.outcome == AttemptOutcome.PENDING.value)
        done = await self._connection.execute(update(t.attempts).where(where).values(outcome=outcome.value))
        if done.rowcount != 1:
            raise NotFound("pending attempt", attempt_id)

    async def first_success(self, hospital_id: HospitalId, login: str, since: datetime) -> datetime | None:
        """Return when *login* first came in after the instant *since*, None where nobody has."""
        mine = (_c.hospital_id == hospital_id) & (_c.login == login) & (_c.at > since)
        right = mine & (_c.outcome == AttemptOutcome.SUCCESS.value)
        query = select(_c.at).where(right).order_by(_c.position).limit(1)
        found: datetime | None = (await self._connection.execute(query)).scalar()
        return found

    async def forget(self, hospital_id: HospitalId, login: str) -> int:
        """Remove the attempts on *login*: she is no longer locked out. Return how many there were."""
        where = (_c.hospital_id == hospital_id) & (_c.login == login)
        return (await self._connection.execute(delete(t.attempts).where(where))).rowcount


def _attempt(row: Row[Any]) -> Attempt:
    return mapping.read(Attempt, row, outcome=AttemptOutcome(row.outcome), kind=AttemptKind(row.kind))
