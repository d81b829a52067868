"""Puts windows together from their tables, however many, in two queries."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Row, Select, bindparam, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.ids import HospitalId
from policy.domain.windows import Occurrence, Window
from policy.store import mapping
from policy.store import tables as t


async def assemble(
    connection: AsyncConnection,
    hospital_id: HospitalId,
    rows: Sequence[Row[Any]],
    wanted: Select[*tuple[Any, ...]] | None = None,
) -> list[Window]:
    """Return the windows of *rows*, in their order, each with what it names and its occurrences.

    All of them, or those that *wanted* gives, which asks for ``windows`` of ``hospital``.
    """
    if not rows:
        return []
    asked = {"hospital": hospital_id, "windows": [row.id for row in rows]}
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for member in await connection.execute(_members(), asked):
        named[member.kind, member.window_id].append(member.name)
    occurrences: dict[str, list[Occurrence]] = defaultdict(list)
    for row in await connection.execute(every_occurrence() if wanted is None else wanted, asked):
        occurrences[row.window_id].append(mapping.occurrence(row))
    return [
        mapping.window(
            row,
            people=named["person", row.id],
            devices=named["device", row.id],
            groups=named["group", row.id],
            occurrences=occurrences[row.id],
        )
        for row in rows
    ]


@cache
def _members() -> CompoundSelect[*tuple[Any, ...]]:
    return union_all(
        *(
            select(literal(kind).label("kind"), table.c.window_id, column.label("name")).where(
                (table.c.hospital_id == bindparam("hospital"))
                & table.c.window_id.in_(bindparam("windows", expanding=True))
            )
            for kind, table, column in (
                ("person", t.window_people, t.window_people.c.person_id),
                ("device", t.window_devices, t.window_devices.c.device_id),
                ("group", t.window_groups, t.window_groups.c.name),
            )
        )
    )


@cache
def every_occurrence() -> Select[*tuple[Any, ...]]:
    """Ask for every occurrence of ``windows`` of ``hospital``."""
    c = t.occurrences.c
    return select(t.occurrences).where(
        (c.hospital_id == bindparam("hospital")) & c.window_id.in_(bindparam("windows", expanding=True))
    )
