"""Tokens of the API, known by the hash of their secret."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from policy.domain.bearers import ApiToken
from policy.domain.ids import HospitalId, PersonId
from policy.domain.people import Role
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.tokens.c


class Tokens(Repository):
    """Table ``tokens``."""

    async def insert(self, token: ApiToken, token_hash: str) -> None:
        """Add a token under the SHA-256 (hexadecimal) of its secret."""
        row = mapping.columns(token, token_hash=token_hash)
        await self._connection.execute(insert(t.tokens).values(row))

    async def get(self, hospital_id: HospitalId, token_id: str) -> ApiToken:
        """Return the token; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == token_id)
        return _token(await self._only(select(t.tokens).where(where), "token", token_id))

    async def by_hash(self, hospital_id: HospitalId, token_hash: str) -> ApiToken | None:
        """Return the token of that secret, None where there is none in this hospital."""
        where = (_c.hospital_id == hospital_id) & (_c.token_hash == token_hash)
        row = (await self._connection.execute(select(t.tokens).where(where))).first()
        return None if row is None else _token(row)

    async def list(self, hospital_id: HospitalId, person_id: PersonId | None = None) -> Sequence[ApiToken]:
        """Return the tokens of one person, or of the whole hospital, newest first."""
        query = select(t.tokens).where(_c.hospital_id == hospital_id)
        if person_id is not None:
            query = query.where(_c.person_id == person_id)
        rows = await self._connection.execute(query.order_by(_c.issued_at.desc(), _c.id))
        return [_token(row) for row in rows]

    async def revoke(self, hospital_id: HospitalId, token_id: str, at: datetime) -> None:
        """Let the token serve no longer, from *at*; nothing changes where it was revoked before."""
        where = (_c.hospital_id == hospital_id) & (_c.id == token_id) & _c.revoked_at.is_(None)
        await self._connection.execute(update(t.tokens).where(where).values(revoked_at=at))

    async def revoke_all(self, hospital_id: HospitalId, person_id: PersonId, at: datetime) -> None:
        """Let no token of the person serve any longer, from *at*."""
        where = (_c.hospital_id == hospital_id) & (_c.person_id == person_id) & _c.revoked_at.is_(None)
        await self._connection.execute(update(t.tokens).where(where).values(revoked_at=at))


def _token(row: Row[Any]) -> ApiToken:
    return mapping.read(ApiToken, row, roles=frozenset(Role(role) for role in row.roles))
