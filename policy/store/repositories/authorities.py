"""The authorities that devices trust, and their sealed keys."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from policy.domain.authorities import AuthorityState, DeviceAuthority
from policy.domain.ids import AuthorityId, HospitalId
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.device_authorities.c
_k = t.authority_keys.c


class Authorities(Repository):
    """Tables ``device_authorities`` and ``authority_keys``."""

    async def insert(self, authority: DeviceAuthority, sealed: str) -> None:
        """Add an authority and its *sealed* key."""
        await self._connection.execute(insert(t.device_authorities).values(mapping.columns(authority)))
        key = {"hospital_id": authority.hospital_id, "authority_id": authority.id, "sealed": sealed}
        await self._connection.execute(insert(t.authority_keys).values(key))

    async def update(self, authority: DeviceAuthority) -> None:
        """Write the authority's state."""
        where = (_c.hospital_id == authority.hospital_id) & (_c.id == authority.id)
        values = {"state": authority.state.value, "retired_at": authority.retired_at}
        await self._connection.execute(update(t.device_authorities).where(where).values(values))

    async def destroy_key(self, hospital_id: HospitalId, authority_id: AuthorityId) -> None:
        """Take the authority's key out of the vault for good."""
        mine = (_k.hospital_id == hospital_id) & (_k.authority_id == authority_id)
        await self._connection.execute(delete(t.authority_keys).where(mine))

    async def get(self, hospital_id: HospitalId, authority_id: AuthorityId) -> DeviceAuthority:
        """Return the authority; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == authority_id)
        return _authority(
            await self._only(select(t.device_authorities).where(where), "authority", authority_id)
        )

    async def list(self, hospital_id: HospitalId) -> Sequence[DeviceAuthority]:
        """Return the hospital's authorities, the first made first."""
        query = select(t.device_authorities).where(_c.hospital_id == hospital_id).order_by(_c.made_at, _c.id)
        return [_authority(row) for row in await self._connection.execute(query)]

    async def signing(self, hospital_id: HospitalId) -> tuple[DeviceAuthority, str] | None:
        """Return the authority that signs now and its sealed key, None where the hospital has none."""
        joined = t.device_authorities.join(
            t.authority_keys, (_k.hospital_id == _c.hospital_id) & (_k.authority_id == _c.id)
        )
        query = (
            select(t.device_authorities, _k.sealed)
            .select_from(joined)
            .where((_c.hospital_id == hospital_id) & (_c.state == AuthorityState.SIGNING.value))
        )
        row = (await self._connection.execute(query)).first()
        return None if row is None else (_authority(row), row.sealed)


def _authority(row: Row[Any]) -> DeviceAuthority:
    return mapping.read(DeviceAuthority, row, state=AuthorityState(row.state))
