"""Continuations of completed log-ins, and whether policy has changed about them since."""

from datetime import datetime

from sqlalchemy import Select, delete, exists, insert, or_, select, update

from policy.domain.continuations import Continuation
from policy.domain.ids import HospitalId, PersonId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.continuations.c
_HARMLESS = ("account.certified", "store.pruned")
"""What policy writes of itself, and changes nothing for anybody."""


class Continuations(Repository):
    """Table ``continuations``: one row for a person on a device from an address."""

    async def insert(self, continuation: Continuation) -> None:
        """Add a continuation in place of what its person had on that device from there, or has let lapse."""
        mine = (_c.hospital_id == continuation.hospital_id) & (_c.person_id == continuation.person_id)
        same = (_c.device == continuation.device) & (_c.source == continuation.source)
        lapsed = _c.until <= continuation.opened_at
        await self._connection.execute(delete(t.continuations).where(mine & (same | lapsed)))
        await self._connection.execute(insert(t.continuations).values(mapping.columns(continuation)))

    async def find(
        self, hospital_id: HospitalId, person_id: PersonId, device: str, source: str, first: str
    ) -> Continuation | None:
        """Return the continuation of a log-in that began with *first*, whether or not it is over."""
        query = select(t.continuations).where(
            (_c.hospital_id == hospital_id)
            & (_c.person_id == person_id)
            & (_c.device == device)
            & (_c.source == source)
            & (_c.first == first)
        )
        row = (await self._connection.execute(query)).first()
        return None if row is None else mapping.read(Continuation, row)

    async def take(self, continuation: Continuation, most: int, at: datetime) -> bool:
        """Count one more connection; False where *most*, or the end, is reached, by whatever process meanwhile."""
        mine = (_c.hospital_id == continuation.hospital_id) & (_c.id == continuation.id)
        free = (_c.uses < most) & (_c.uses < _c.most) & (_c.until > at)
        taken = await self._connection.execute(
            update(t.continuations).where(mine & free).values(uses=_c.uses + 1)
        )
        return taken.rowcount == 1

    async def end(self, continuation: Continuation) -> None:
        """Let nobody continue that log-in any more."""
        mine = (_c.hospital_id == continuation.hospital_id) & (_c.id == continuation.id)
        await self._connection.execute(delete(t.continuations).where(mine))

    async def touched(self, continuation: Continuation) -> bool:
        """Tell whether policy has changed since about its person, device, windows or sessions, or for everybody.

        A cut, a suspension, a renewal, a key added or removed, a window moved, shortened, extended or cancelled, an
        account, a zone, a supplier or the hospital itself: whatever it was, who continues must log in again.
        """
        hospital, person = continuation.hospital_id, continuation.person_id
        o = t.outbox.c
        changed = or_(
            o.subject.in_([hospital, person]),
            *(o.subject.in_(subjects) for subjects in _subjects(hospital, person, continuation.device)),
        )
        query = select(
            exists().where(
                (o.position > continuation.position)
                & (o.hospital_id == hospital)
                & o.name.not_in(_HARMLESS)
                & changed
            )
        )
        return bool((await self._connection.execute(query)).scalar())


def _subjects(hospital: HospitalId, person: PersonId, device: str) -> list[Select[tuple[str]]]:
    """Return queries of the ids that a change would have as its subject."""
    p, d, a, w, s = t.people.c, t.devices.c, t.accounts.c, t.window_people.c, t.sessions.c
    there = (d.hospital_id == hospital) & (d.name == device)
    named = select(w.window_id).where((w.hospital_id == hospital) & (w.person_id == person))
    return [
        select(p.supplier_id).where((p.hospital_id == hospital) & (p.id == person)),
        select(d.id).where(there),
        select(d.zone_id).where(there),
        select(a.id).where((a.hospital_id == hospital) & a.device_id.in_(select(d.id).where(there))),
        named,
        select(t.windows.c.intervention_id).where(
            (t.windows.c.hospital_id == hospital) & t.windows.c.id.in_(named)
        ),
        select(s.id).where((s.hospital_id == hospital) & (s.person_id == person)),
    ]
