"""The hospital's table of factors: what a technician's log-in takes, changed within bounds."""

from collections.abc import Iterable
from dataclasses import replace

from policy.domain.factors import FactorRow, FactorTable, checked_table
from policy.domain.ids import HospitalId, PersonId
from policy.services.duties import Duty
from policy.services.service import Service
from policy.store.plain import described


class FactorService(Service):
    """Shows and changes what counts as a log-in (S35)."""

    async def table(self, actor: PersonId, hospital_id: HospitalId) -> FactorTable:
        """Return the table as it stands."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return (await view.hospitals.get(hospital_id)).factors

    async def change(
        self, actor: PersonId, hospital_id: HospitalId, rows: Iterable[FactorRow]
    ) -> FactorTable:
        """Replace the table; the next log-in and the next session go by it, live sessions keep what they reached.

        Raises InvalidInput for a row out of bounds: see ``checked_table``.
        """
        table = checked_table(rows)
        async with self._acting(actor, hospital_id, Duty.MANAGE) as work:
            before = await work.hospitals.get(hospital_id)
            await work.hospitals.update(replace(before, factors=table))
            states = described(before.factors), described(table)
            await work.emit("hospital.factors_changed", hospital_id, hospital_id, *states)
        return table
