"""Derogations: weaknesses of devices that somebody answers for."""

from collections.abc import Collection, Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from policy.domain.derogations import Derogation
from policy.domain.ids import DerogationId, DeviceId, HospitalId
from policy.errors import NotFound
from policy.store import tables as t

_c = t.derogations.c
_FIELDS = tuple(Derogation.__dataclass_fields__)


class Derogations:
    """Table ``derogations``."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Work on *connection*."""
        self._connection = connection

    async def insert(self, derogation: Derogation) -> None:
        """Add a derogation."""
        row = {name: getattr(derogation, name) for name in _FIELDS}
        await self._connection.execute(insert(t.derogations).values(row))

    async def update(self, derogation: Derogation) -> None:
        """Write whether and when the derogation was withdrawn."""
        where = (_c.hospital_id == derogation.hospital_id) & (_c.id == derogation.id)
        values = {"withdrawn_at": derogation.withdrawn_at}
        await self._connection.execute(update(t.derogations).where(where).values(values))

    async def get(self, hospital_id: HospitalId, derogation_id: DerogationId) -> Derogation:
        """Return the derogation; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == derogation_id)
        row = (await self._connection.execute(select(t.derogations).where(where))).first()
        if row is None:
            raise NotFound("derogation", derogation_id)
        return _derogation(row)

    async def list(
        self, hospital_id: HospitalId, devices: Collection[DeviceId] | None = None
    ) -> Sequence[Derogation]:
        """Return the derogations of *devices*, or of the whole hospital, the last to end first."""
        where = _c.hospital_id == hospital_id
        if devices is not None:
            where &= _c.device_id.in_(list(devices))
        query = select(t.derogations).where(where).order_by(_c.expires_at.desc(), _c.id)
        return [_derogation(row) for row in await self._connection.execute(query)]


def _derogation(row: object) -> Derogation:
    return Derogation(**{name: getattr(row, name) for name in _FIELDS})
