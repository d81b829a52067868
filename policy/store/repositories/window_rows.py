"""Puts windows together from their tables, however many, in two queries."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.ids import HospitalId
from policy.domain.windows import Occurrence, Window
from policy.store import mapping
from policy.store import tables as t


async def assemble(
    connection: AsyncConnection,
    hospital_id: HospitalId,
    rows: Sequence[Row[Any]],
    wanted: ColumnElement[bool] | None = None,
) -> list[Window]:
    """Return the windows of *rows*, in their order, each with what it names and its *wanted* occurrences."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    members = union_all(
        *(
            select(literal(kind).label("kind"), table.c.window_id, column.label("name")).where(
                (table.c.hospital_id == hospital_id) & table.c.window_id.in_(ids)
            )
            for kind, table, column in (
                ("person", t.window_people, t.window_people.c.person_id),
                ("device", t.window_devices, t.window_devices.c.device_id),
                ("group", t.window_groups, t.window_groups.c.name),
            )
        )
    )
    for member in await connection.execute(members):
        named[member.kind, member.window_id].append(member.name)
    within = (t.occurrences.c.hospital_id == hospital_id) & t.occurrences.c.window_id.in_(ids)
    if wanted is not None:
        within &= wanted
    occurrences: dict[str, list[Occurrence]] = defaultdict(list)
    for row in await connection.execute(select(t.occurrences).where(within)):
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
