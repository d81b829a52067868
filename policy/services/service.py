"""What every service is made of: one database, one clock, and the duty that whoever asks must have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from policy.clock import Clock
from policy.domain.ids import HospitalId, PersonId
from policy.services.duties import Duty, require
from policy.store.database import Database
from policy.store.unit_of_work import UnitOfWork, View


class Service:
    """Use cases over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Read and write *database*, by *clock*."""
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def _acting(
        self, actor: PersonId, hospital_id: HospitalId, duty: Duty
    ) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work of *actor*'s; raises Forbidden unless she has *duty* in the hospital."""
        async with self._database.unit_of_work(actor, self._clock) as work:
            await require(work, hospital_id, actor, duty)
            yield work

    @asynccontextmanager
    async def _reading(self, actor: PersonId, hospital_id: HospitalId, duty: Duty) -> AsyncIterator[View]:
        """Open a view for *actor*; raises Forbidden unless she has *duty* in the hospital."""
        async with self._database.read() as view:
            await require(view, hospital_id, actor, duty)
            yield view
