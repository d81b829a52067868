"""Every sealed envelope of the database, for the rotation of the keys that seal them."""

from collections.abc import Sequence

from sqlalchemy import Column, Select, Table, func, select, update

from policy.domain.credentials import SealedKind, SealedRow
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_WHERE: dict[SealedKind, tuple[Table, Column[str]]] = {
    SealedKind.ACCOUNT_SECRET: (t.account_secrets, t.account_secrets.c.account_id),
    SealedKind.TOTP_SECRET: (t.totp_secrets, t.totp_secrets.c.person_id),
    SealedKind.MAIL_LINK: (t.mails, t.mails.c.id),
    SealedKind.AUTHORITY_KEY: (t.authority_keys, t.authority_keys.c.authority_id),
}


class SealedRows(Repository):
    """Account and TOTP secrets and authorities' keys across hospitals, pending TOTP secrets included."""

    async def not_under(self, key_id: str, limit: int) -> Sequence[SealedRow]:
        """Return at most *limit* rows whose envelope does not start with ``ecv1:<key_id>:``."""
        found: list[SealedRow] = []
        for kind, (table, _owner) in _WHERE.items():
            stale = ~table.c.sealed.startswith(f"ecv1:{key_id}:", autoescape=True)
            query = _rows(kind).where(stale).limit(limit - len(found))
            rows = await self._connection.execute(query)
            found += [mapping.read(SealedRow, row, kind=kind) for row in rows]
        return found

    async def under(self, key_id: str) -> int:
        """Return how many rows have an envelope that starts with ``ecv1:<key_id>:``."""
        total = 0
        for table, _owner in _WHERE.values():
            fresh = table.c.sealed.startswith(f"ecv1:{key_id}:", autoescape=True)
            total += (
                await self._connection.execute(select(func.count()).select_from(table).where(fresh))
            ).scalar_one()
        return total

    async def replace(self, row: SealedRow, sealed: str) -> bool:
        """Replace the row's envelope by *sealed* if it still is ``row.sealed``; tell whether it was."""
        table, owner = _WHERE[row.kind]
        where = (
            (table.c.hospital_id == row.hospital_id) & (owner == row.owner) & (table.c.sealed == row.sealed)
        )
        return (
            await self._connection.execute(update(table).where(where).values(sealed=sealed))
        ).rowcount == 1


def _rows(kind: SealedKind) -> Select[*tuple[object, ...]]:
    table, owner = _WHERE[kind]
    return select(table.c.hospital_id, owner.label("owner"), table.c.sealed)
