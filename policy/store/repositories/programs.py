"""The programs that use the databases, one row a name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, select

from policy.domain.programs import Program, ProgramKind
from policy.store import mapping
from policy.store import tables as t
from policy.store.dialects import hold, insertion
from policy.store.repositories.repository import Repository

_NAME = ("kind", "node")
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Between these are the instants that processes write; others may be none that Python has."""

Sealed = tuple[Program, str]
"""A row and its seal, which nobody has looked at yet."""


class Programs(Repository):
    """Table ``programs``."""

    async def hold(self, kind: ProgramKind, node: str) -> None:
        """Keep other units of work from taking this name until the end of this one."""
        await hold(self._connection, f"program/{kind}/{node}")

    async def find(self, kind: ProgramKind, node: str) -> Sealed | None:
        """Return who claimed this name last; None too for a row that no process writes."""
        c = t.programs.c
        wanted = _readable().where((c.kind == kind) & (c.node == node))
        row = (await self._connection.execute(wanted)).first()
        return None if row is None else _read(row)

    async def list(self) -> Sequence[Sealed]:
        """Return everybody, by kind and name, but for rows that no process writes."""
        c = t.programs.c
        rows = await self._connection.execute(_readable().order_by(c.kind, c.node))
        return [_read(row) for row in rows]

    async def clear(self) -> None:
        """Forget every claim: for a database that no process has opened yet."""
        await self._connection.execute(delete(t.programs))

    async def put(self, program: Program, seal: str) -> None:
        """Write the row of a name, whoever had it."""
        row = mapping.columns(program, "proved", seal=seal)
        fresh = {name: value for name, value in row.items() if name not in _NAME}
        statement = insertion(self._connection, t.programs).values(row)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=_NAME, set_=fresh))


def _readable() -> Select[*tuple[Any, ...]]:
    """Ask for the rows that can be read: a gateway's database password writes kinds that there are none of, and years."""
    c = t.programs.c
    instants = (c.started_at, c.beat_at, func.coalesce(c.ended_at, c.beat_at))
    readable = (each.between(_FIRST, _LAST) for each in instants)
    return select(t.programs).where(c.kind.in_(list(ProgramKind)), *readable)


def _read(row: Row[tuple[object, ...]]) -> Sealed:
    return mapping.read(Program, row, kind=ProgramKind(row.kind), proved=False), row.seal
