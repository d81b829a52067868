"""Invitations to enrol, known by the hash of their token."""

from datetime import datetime

from sqlalchemy import insert, select, update

from policy.domain.bearers import Invitation
from policy.domain.ids import HospitalId, PersonId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.invitations.c


class Invitations(Repository):
    """Table ``invitations``."""

    async def insert(self, invitation: Invitation, token_hash: str) -> None:
        """Add an invitation under the SHA-256 (hexadecimal) of its token."""
        row = mapping.columns(invitation, token_hash=token_hash)
        await self._connection.execute(insert(t.invitations).values(row))

    async def by_hash(
        self, hospital_id: HospitalId, token_hash: str, *, hold: bool = False
    ) -> Invitation | None:
        """Return the invitation of that token, None where there is none in this hospital.

        *hold* keeps other units of work from using it until the end of this one.
        """
        query = select(t.invitations).where((_c.hospital_id == hospital_id) & (_c.token_hash == token_hash))
        row = (await self._connection.execute(query.with_for_update() if hold else query)).first()
        if row is None:
            return None
        return mapping.read(Invitation, row)

    async def inviters(
        self, hospital_id: HospitalId, person_id: PersonId, since: datetime
    ) -> frozenset[PersonId]:
        """Return who invited the person at the aware instant *since* or later."""
        mine = (_c.hospital_id == hospital_id) & (_c.person_id == person_id)
        query = select(_c.invited_by).where(mine & (_c.issued_at >= since) & _c.invited_by.is_not(None))
        return frozenset(PersonId(found) for found in (await self._connection.execute(query)).scalars())

    async def count_failure(self, hospital_id: HospitalId, token_hash: str) -> None:
        """Count one more wrong code told by voice."""
        where = (_c.hospital_id == hospital_id) & (_c.token_hash == token_hash)
        values = {"spoken_failures": _c.spoken_failures + 1}
        await self._connection.execute(update(t.invitations).where(where).values(values))

    async def use_up(self, hospital_id: HospitalId, person_id: PersonId, at: datetime) -> None:
        """Let every open invitation of the person count as used at *at*."""
        where = (_c.hospital_id == hospital_id) & (_c.person_id == person_id) & _c.used_at.is_(None)
        await self._connection.execute(update(t.invitations).where(where).values(used_at=at))
