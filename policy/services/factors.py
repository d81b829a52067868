"""The hospital's table of factors: what a technician's log-in takes, changed within bounds."""

from collections.abc import Iterable
from dataclasses import replace

from policy.clock import Clock
from policy.domain.factors import FactorRow, FactorTable, checked_table
from policy.domain.ids import HospitalId, PersonId
from policy.services.duties import Duty, require
from policy.store.database import Database
from policy.store.plain import described


class FactorService:
    """Shows and changes what counts as a log-in (S35)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep each hospital's table in *database*."""
        self._database = database
        self._clock = clock

    async def table(self, actor: PersonId, hospital_id: HospitalId) -> FactorTable:
        """Return the table as it stands."""
        async with self._database.read() as view:
            await require(view, hospital_id, actor, Duty.READ)
            return (await view.hospitals.get(hospital_id)).factors

    async def change(
        self, actor: PersonId, hospital_id: HospitalId, rows: Iterable[FactorRow]
    ) -> FactorTable:
        """Replace the table; the next log-in and the next session go by it, live sessions keep what they reached.

        Raises InvalidInput for a row out of bounds: see ``checked_table``.
        """
        table = checked_table(rows)
        async with self._database.unit_of_work(actor, self._clock) as work:
            await require(work, hospital_id, actor, Duty.MANAGE)
            before = await work.hospitals.get(hospital_id)
            await work.hospitals.update(replace(before, factors=table))
            states = described(before.factors), described(table)
            await work.emit("hospital.factors_changed", hospital_id, hospital_id, *states)
        return table
