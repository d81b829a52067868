"""The outbox: every change to policy, in the order it was committed."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, cast, func, insert, select, text

from policy.domain.events import PolicyEvent
from policy.domain.ids import HospitalId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_COMMIT_ORDER = 0x45434C_4F42
"""The advisory lock that makes positions grow in commit order."""

_c = t.outbox.c
_SIDES = ("before", "after")


class Outbox(Repository):
    """Table ``outbox``: only ever added to.

    A position is drawn only by the transaction that holds the lock, and the lock is let go when it is committed.
    So no position can appear below one that a reader has already seen, and a late commit is never skipped.
    """

    async def append(self, events: Sequence[PolicyEvent]) -> None:
        """Add *events*; every other writer of events now waits until this transaction is over."""
        if self._connection.dialect.name == "postgresql":
            await self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _COMMIT_ORDER})
        await self._connection.execute(insert(t.outbox), [mapping.columns(event) for event in events])

    async def head(self) -> int:
        """Return the last position committed, 0 where there is none."""
        found: int | None = (await self._connection.execute(select(func.max(_c.position)))).scalar()
        return found or 0

    async def after(self, position: int, limit: int) -> Sequence[tuple[int, PolicyEvent]]:
        """Return at most *limit* events after *position*, of every hospital, each with its own position.

        What the product cannot have written stands there as its text: one planted row must not hide what comes after it.
        """
        texts = [cast(_c[side], Text).label(side) for side in _SIDES]
        rest = [column for column in _c if column.name not in _SIDES]
        query = select(*rest, *texts).where(_c.position > position).order_by(_c.position).limit(limit)
        return [
            (row.position, mapping.read(PolicyEvent, row, before=_said(row.before), after=_said(row.after)))
            for row in await self._connection.execute(query)
        ]

    async def latest(
        self, hospital_id: HospitalId, events: Sequence[str], subject: str | None = None
    ) -> PolicyEvent | None:
        """Return the hospital's last event of one of the names *events*, about *subject* if one is given."""
        where = (_c.hospital_id == hospital_id) & _c.name.in_(list(events))
        if subject is not None:
            where &= _c.subject == subject
        query = select(t.outbox).where(where).order_by(_c.position.desc()).limit(1)
        row = (await self._connection.execute(query)).first()
        return None if row is None else mapping.read(PolicyEvent, row)


def _said(written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):  # a number of five thousand digits, a thousand lists in each other
        return written
