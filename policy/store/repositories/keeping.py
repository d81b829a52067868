"""How long recordings are kept, what holds them, and what was erased early: three tables, read and written alike."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.erasures import Erasure, ErasureState
from policy.domain.holds import Hold
from policy.domain.ids import HospitalId
from policy.domain.keeping import RetentionRule
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_ASKED = ("approved_by", "approved_at", "effective_at", "ended_at")
_LIFTED = ("lifted_by", "lifted_at", "lift_reason")
_ANSWERED = ("state", "decided_by", "decided_at", "answer", "done_at")


class RetentionRules(Repository):
    """Table ``retention_rules``: rows are added, and told once when they begin and end."""

    async def insert(self, rule: RetentionRule) -> None:
        """Add a rule."""
        await self._connection.execute(insert(t.retention_rules).values(mapping.columns(rule)))

    async def update(self, rule: RetentionRule) -> None:
        """Write who approved it, from when on it holds, and whether it was overtaken."""
        await _change(self._connection, t.retention_rules, rule, _ASKED)

    async def get(self, hospital_id: HospitalId, rule_id: str, *, hold: bool = False) -> RetentionRule:
        """Return one, kept from other writers until the end of the unit of work if *hold*; raises NotFound."""
        return mapping.read(
            RetentionRule,
            await self._only(
                _one(t.retention_rules, hospital_id, rule_id, hold=hold), "retention rule", rule_id
            ),
        )

    async def list(self, hospital_id: HospitalId, *, hold: bool = False) -> Sequence[RetentionRule]:
        """Return all that there ever were, the last asked for first; *hold* as in ``get``."""
        table = t.retention_rules
        query = (
            select(table)
            .where(table.c.hospital_id == hospital_id)
            .order_by(table.c.asked_at.desc(), table.c.id)
        )
        rows = await self._connection.execute(query.with_for_update() if hold else query)
        return [mapping.read(RetentionRule, row) for row in rows]


class Holds(Repository):
    """Table ``holds``: rows are added, and told once when they are lifted."""

    async def insert(self, hold: Hold) -> None:
        """Add a hold."""
        await self._connection.execute(insert(t.holds).values(mapping.columns(hold)))

    async def update(self, hold: Hold) -> None:
        """Write that it was lifted."""
        await _change(self._connection, t.holds, hold, _LIFTED)

    async def get(self, hospital_id: HospitalId, hold_id: str, *, hold: bool = False) -> Hold:
        """Return one, kept from other writers until the end of the unit of work if *hold*; raises NotFound."""
        return mapping.read(
            Hold, await self._only(_one(t.holds, hospital_id, hold_id, hold=hold), "hold", hold_id)
        )

    async def list(self, hospital_id: HospitalId) -> Sequence[Hold]:
        """Return all that there ever were: those in force first, the last placed first."""
        table = t.holds
        order = (table.c.lifted_at.is_not(None), table.c.placed_at.desc(), table.c.id)
        query = select(table).where(table.c.hospital_id == hospital_id).order_by(*order)
        rows = await self._connection.execute(query)
        return [mapping.read(Hold, row) for row in rows]


class Erasures(Repository):
    """Table ``erasures``."""

    async def insert(self, erasure: Erasure) -> None:
        """Add a request."""
        await self._connection.execute(insert(t.erasures).values(mapping.columns(erasure)))

    async def update(self, erasure: Erasure) -> None:
        """Write how it stands."""
        await _change(self._connection, t.erasures, erasure, _ANSWERED)

    async def get(self, hospital_id: HospitalId, erasure_id: str, *, hold: bool = False) -> Erasure:
        """Return one, kept from other writers until the end of the unit of work if *hold*; raises NotFound."""
        return _erasure(
            await self._only(_one(t.erasures, hospital_id, erasure_id, hold=hold), "erasure", erasure_id)
        )

    async def list(
        self, hospital_id: HospitalId, states: Collection[ErasureState] = tuple(ErasureState)
    ) -> Sequence[Erasure]:
        """Return those in these *states*, the last asked for first."""
        table = t.erasures
        where = (table.c.hospital_id == hospital_id) & table.c.state.in_([state.value for state in states])
        query = select(table).where(where).order_by(table.c.asked_at.desc(), table.c.id)
        return [_erasure(row) for row in await self._connection.execute(query)]


def _erasure(row: Row[Any]) -> Erasure:
    return mapping.read(Erasure, row, state=ErasureState(row.state))


def _one(table: Table, hospital_id: HospitalId, id_: str, *, hold: bool) -> Select[Any]:
    query = select(table).where((table.c.hospital_id == hospital_id) & (table.c.id == id_))
    return query.with_for_update() if hold else query


async def _change(
    connection: AsyncConnection, table: Table, one: RetentionRule | Hold | Erasure, names: Collection[str]
) -> None:
    where = (table.c.hospital_id == one.hospital_id) & (table.c.id == one.id)
    values = {name: getattr(one, name) for name in names}
    await connection.execute(update(table).where(where).values(values))
