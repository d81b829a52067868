"""Reports of interventions, and the sessions that they tell of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update

from policy.domain.ids import HospitalId, PersonId
from policy.domain.reports import Goal, Report, ReportState, WorkedSession
from policy.errors import Conflict
from policy.store import mapping
from policy.store import tables as t
from policy.store.repositories.repository import Repository

_c = t.reports.c
_s = t.sessions.c


class Reports(Repository):
    """Table ``reports``."""

    async def insert(self, report: Report) -> None:
        """Add a report; there is one an intervention."""
        await self._connection.execute(insert(t.reports).values(mapping.columns(report)))

    async def update(self, report: Report) -> None:
        """Write the report anew; raises Conflict where the hospital has acknowledged it meanwhile."""
        filed = (
            (_c.hospital_id == report.hospital_id)
            & (_c.id == report.id)
            & (_c.state == ReportState.FILED.value)
        )
        done = await self._connection.execute(update(t.reports).where(filed).values(_told(report)))
        if done.rowcount != 1:
            raise Conflict("this report is acknowledged: it is final")

    async def get(self, hospital_id: HospitalId, report_id: str) -> Report:
        """Return one; raises NotFound."""
        where = (_c.hospital_id == hospital_id) & (_c.id == report_id)
        return _report(await self._only(select(t.reports).where(where), "report", report_id))

    async def list(self, hospital_id: HospitalId) -> Sequence[Report]:
        """Return the hospital's reports, the newest first."""
        query = select(t.reports).where(_c.hospital_id == hospital_id)
        rows = await self._connection.execute(query.order_by(_c.filed_at.desc(), _c.id))
        return [_report(row) for row in rows]

    async def worked(
        self, hospital_id: HospitalId, person_id: PersonId | None = None
    ) -> Sequence[WorkedSession]:
        """Return the sessions that there were, those of one person if given, oldest first."""
        window = (t.windows.c.hospital_id == _s.hospital_id) & (t.windows.c.id == _s.window_id)
        device = (t.devices.c.hospital_id == _s.hospital_id) & (t.devices.c.id == _s.device_id)
        where = _s.hospital_id == hospital_id
        if person_id is not None:
            where &= _s.person_id == person_id
        query = (
            select(t.sessions, t.windows.c.intervention_id, t.devices.c.name.label("device_name"))
            .select_from(t.sessions.join(t.windows, window).join(t.devices, device))
            .where(where)
            .order_by(_s.opened_at, _s.id)
        )
        return [
            mapping.read(WorkedSession, row, session_id=row.id)
            for row in await self._connection.execute(query)
        ]


def _told(report: Report) -> dict[str, Any]:
    """What changes of a report: the acknowledgement's columns only with one, which whoever files may not write."""
    changing = {"state", "goal", "what", "facts", "filed_at"}
    if report.state is ReportState.ACKNOWLEDGED:
        changing |= {"acknowledged_by", "acknowledged_at"}
    return {name: value for name, value in mapping.columns(report).items() if name in changing}


def _report(row: Row[Any]) -> Report:
    return mapping.read(Report, row, state=ReportState(row.state), goal=Goal(row.goal))
