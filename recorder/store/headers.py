"""The header of a row of the catalogue: held to the row's columns, and stood in for where it is not what was written.

Gateways insert these rows, and one that was taken over inserts what it likes. Whoever reads a row reads it here: one bad
row is then that row's fault alone, in the hospital of its column, and nothing is looked for where its header points.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from recorder.errors import TraceFormatError
from recorder.trace import instants
from recorder.trace.header import IDENTIFIER, TraceHeader

UNKNOWN = "?"
"""What stands for each name that only the header tells."""
NAMELESS = "altered-"
"""Begins what stands for a session's name that could be none: by it nobody finds the row again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a row tells of a session's opening.

    Attributes:
        header: Its header; of an altered row one made of its columns.
        altered: What is wrong with the row, in words; None where nothing is.
        column: Whether the header can be read, and a column says something else.
    """

    header: TraceHeader
    altered: str | None = None
    column: bool = False


def columns_of(header: TraceHeader) -> dict[str, Any]:
    """Return what the columns of ``sessions_opened`` beside the header itself say of it."""
    return {
        "hospital_id": header.hospital_id,
        "session_id": header.session_id,
        "started_at": header.started_at,
        "node": header.node,
        "person_id": header.person["id"],
        "supplier_id": header.supplier["id"],
        "device_id": header.device["id"],
        "window_id": header.window["id"],
    }


def told_by(row: Row[Any]) -> Told:
    """Return what a row with every column of ``sessions_opened`` tells; never raises for what stands in it."""
    try:
        header = _read(row.header)
    except TraceFormatError as error:
        return Told(_stand_in(row), str(error))
    for name, value in columns_of(header).items():
        if getattr(row, name) != value:
            return Told(_stand_in(row), f"its column {name} is not what was written", column=True)
    return Told(header)


def _read(text: str) -> TraceHeader:
    header = TraceHeader.from_json(text.encode("utf-8", "surrogatepass"))
    for edge in ("start", "end"):
        instants.parse(header.window[edge])
    header.to_json()  # refuses what no page and no answer could show: an escaped lone surrogate is JSON
    return header


def _stand_in(row: Row[Any]) -> TraceHeader:
    started = instants.text(row.started_at)
    session_id = row.session_id
    if not IDENTIFIER.fullmatch(session_id):  # would be part of a path: no session can be called so
        session_id = (
            f"{NAMELESS}{hashlib.sha256(session_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        )
    return TraceHeader(
        session_id=session_id,
        hospital_id=row.hospital_id,
        node=row.node,
        started_at=row.started_at,
        person={"id": row.person_id, "login": UNKNOWN, "full_name": UNKNOWN},
        supplier={"id": row.supplier_id, "name": UNKNOWN},
        device={"id": row.device_id, "name": UNKNOWN, "address": UNKNOWN, "port": 0},
        account=UNKNOWN,
        intervention={"id": "", "kind": UNKNOWN, "purpose": UNKNOWN},
        window={"id": row.window_id, "start": started, "end": started},
        factors=[],
        source=UNKNOWN,
        decision={},
    )
