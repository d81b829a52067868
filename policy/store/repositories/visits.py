"""Visits of browsers, known by the hash of their bearer's secret, and recovery codes, known by theirs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from policy.domain.ids import HospitalId, PersonId
from policy.domain.visits import Visit, VisitPurpose
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_v, _r = t.visits.c, t.recovery_codes.c


class Visits(Repository):
    """Table ``visits``."""

    async def insert(self, visit: Visit, token_hash: str) -> None:
        """Add a visit under the SHA-256 (hexadecimal) of its bearer's secret."""
        row = mapping.columns(visit, token_hash=token_hash)
        await self._connection.execute(insert(t.visits).values(row))

    async def by_hash(self, hospital_id: HospitalId, token_hash: str) -> Visit | None:
        """Return the visit of that secret, None where there is none in this hospital."""
        query = select(t.visits).where((_v.hospital_id == hospital_id) & (_v.token_hash == token_hash))
        row = (await self._connection.execute(query)).first()
        return None if row is None else _visit(row)

    async def choose(
        self, hospital_id: HospitalId, person_id: PersonId, token_hash: str | None, at: datetime
    ) -> None:
        """Note that the password was chosen in this visit at *at*, and in no other one of the person any more.

        None: it was chosen in no visit.
        """
        mine = (_v.hospital_id == hospital_id) & (_v.person_id == person_id)
        await self._connection.execute(update(t.visits).where(mine).values(chosen_at=None))
        if token_hash is None:
            return
        this = mine & (_v.token_hash == token_hash)
        await self._connection.execute(update(t.visits).where(this).values(chosen_at=at))

    async def confirm(
        self, hospital_id: HospitalId, token_hash: str, renewed_hash: str, at: datetime
    ) -> None:
        """Note that what the visit came for was done at *at*; its bearer shows another secret from now on."""
        where = (_v.hospital_id == hospital_id) & (_v.token_hash == token_hash)
        values = {"confirmed_at": at, "token_hash": renewed_hash}
        await self._connection.execute(update(t.visits).where(where).values(values))

    async def end(self, hospital_id: HospitalId, token_hash: str) -> None:
        """Forget the visit of that secret."""
        where = (_v.hospital_id == hospital_id) & (_v.token_hash == token_hash)
        await self._connection.execute(delete(t.visits).where(where))

    async def end_all(
        self, hospital_id: HospitalId, person_id: PersonId, *, token_hash: str | None = None
    ) -> None:
        """Forget the person's visits, but for the one of *token_hash* where it is given."""
        where = (_v.hospital_id == hospital_id) & (_v.person_id == person_id)
        if token_hash is not None:
            where &= _v.token_hash != token_hash
        await self._connection.execute(delete(t.visits).where(where))

    async def make_room(self, hospital_id: HospitalId, person_id: PersonId, at: datetime, limit: int) -> None:
        """Forget the person's visits that are over at *at*, and the oldest ones beyond *limit*."""
        mine = (_v.hospital_id == hospital_id) & (_v.person_id == person_id)
        await self._connection.execute(delete(t.visits).where(mine & (_v.expires_at <= at)))
        newest = select(_v.token_hash).where(mine).order_by(_v.started_at.desc(), _v.token_hash).limit(limit)
        kept = list((await self._connection.execute(newest)).scalars())
        await self._connection.execute(delete(t.visits).where(mine & _v.token_hash.not_in(kept)))


class RecoveryCodes(Repository):
    """Table ``recovery_codes``."""

    async def replace_all(
        self, hospital_id: HospitalId, person_id: PersonId, hashes: Iterable[str], at: datetime
    ) -> None:
        """Let these be the person's codes, made at *at*, and none before them."""
        await self.forget(hospital_id, person_id)
        rows = [
            {"hospital_id": hospital_id, "person_id": person_id, "code_hash": one, "made_at": at}
            for one in hashes
        ]
        if rows:
            await self._connection.execute(insert(t.recovery_codes), rows)

    async def forget(self, hospital_id: HospitalId, person_id: PersonId) -> None:
        """Remove the person's codes, used or not."""
        where = (_r.hospital_id == hospital_id) & (_r.person_id == person_id)
        await self._connection.execute(delete(t.recovery_codes).where(where))

    async def left(self, hospital_id: HospitalId, person_id: PersonId) -> int:
        """Return how many codes the person can still use."""
        where = (_r.hospital_id == hospital_id) & (_r.person_id == person_id) & _r.used_at.is_(None)
        query = select(func.count()).select_from(t.recovery_codes).where(where)
        return int((await self._connection.execute(query)).scalar_one())

    async def holds(self, hospital_id: HospitalId, person_id: PersonId, code_hash: str) -> bool:
        """Tell whether the person can still use that code."""
        where = (
            (_r.hospital_id == hospital_id)
            & (_r.person_id == person_id)
            & (_r.code_hash == code_hash)
            & _r.used_at.is_(None)
        )
        return (await self._connection.execute(select(_r.made_at).where(where))).first() is not None

    async def use(self, hospital_id: HospitalId, person_id: PersonId, code_hash: str, at: datetime) -> bool:
        """Use up a code at *at*; False where it is not the person's, or was used before. It serves once only."""
        where = (
            (_r.hospital_id == hospital_id)
            & (_r.person_id == person_id)
            & (_r.code_hash == code_hash)
            & _r.used_at.is_(None)
        )
        done = await self._connection.execute(update(t.recovery_codes).where(where).values(used_at=at))
        return done.rowcount == 1


def _visit(row: Row[Any]) -> Visit:
    return mapping.read(Visit, row, purpose=VisitPurpose(row.purpose))
