"""Reports of interventions: filed by who worked on them, read and acknowledged by the hospital (rule O5)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from policy.clock import Clock
from policy.domain.ids import HospitalId, InterventionId, PersonId, is_name, new_id
from policy.domain.reports import Goal, Report, Reporting, ReportState, WorkedSession
from policy.engine.rules.findings import failed
from policy.errors import AlreadySo, RequestRefused
from policy.services import inputs
from policy.services.duties import Duty
from policy.services.service import Service
from policy.settings import PolicySettings
from policy.store.database import Database
from policy.store.plain import plain
from policy.store.unit_of_work import View

LONGEST_REPORT: Final = 8000


class ReportService(Service):
    """The register of reports. Each is pre-filled with the sessions that policy knows of."""

    def __init__(self, database: Database, clock: Clock, settings: PolicySettings) -> None:
        """Keep reports in *database*."""
        super().__init__(database, clock)
        self._settings = settings

    async def own(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Reporting]:
        """Return where the reports of the interventions that she worked on stand, the last one first."""
        async with self._reading(actor, hospital_id, Duty.ASK) as view:
            return await self._standing(view, hospital_id, actor)

    async def list(self, actor: PersonId, hospital_id: HospitalId) -> Sequence[Reporting]:
        """Return where the reports of all interventions with sessions stand, the last one first."""
        async with self._reading(actor, hospital_id, Duty.READ) as view:
            return await self._standing(view, hospital_id, None)

    async def file(
        self,
        actor: PersonId,
        hospital_id: HospitalId,
        *,
        goal: Goal,
        what: str,
        device_name: str,
    ) -> Report:
        """File the report of the intervention that she last worked on with that device, or write it anew.

        Once acknowledged it is final. Raises RequestRefused, InvalidInput, Forbidden for who is no technician.
        """
        text = inputs.paragraph(what, "what", longest=LONGEST_REPORT)
        async with self._acting(actor, hospital_id, Duty.ASK) as work:
            await work.leases.hold_person(hospital_id, actor)
            mine = await work.reports.worked(hospital_id, actor)
            there = [one for one in mine if is_name(device_name) and one.device_name == device_name]
            if not there:
                raise RequestRefused(failed("O5", "finding.O5.no_session", "next.O5.device", "technician"))
            intervention_id = there[-1].intervention_id
            reports = {one.intervention_id: one for one in await work.reports.list(hospital_id)}
            before = reports.get(intervention_id)
            if before is not None and before.state is ReportState.ACKNOWLEDGED:
                raise RequestRefused(failed("O5", "finding.O5.acknowledged", "next.O5.correct", "planner"))
            report = Report(
                id=new_id() if before is None else before.id,
                hospital_id=hospital_id,
                intervention_id=intervention_id,
                author_id=actor,
                state=ReportState.FILED,
                goal=goal,
                what=text,
                facts=_facts([one for one in mine if one.intervention_id == intervention_id]),
                filed_at=self._clock.now(),
            )
            if before is None:
                await work.reports.insert(report)
            else:
                await work.reports.update(report)
            earlier = {} if before is None else {"goal": before.goal, "what": before.what}
            facts = {"report": report.id, "goal": goal, "what": text, "facts": report.facts}
            await work.emit("intervention.report_filed", hospital_id, intervention_id, earlier, facts)
        return report

    async def acknowledge(self, actor: PersonId, hospital_id: HospitalId, report_id: str) -> Report:
        """Note that the hospital has read the report; it is final from now on. Raises NotFound, Conflict."""
        async with self._acting(actor, hospital_id, Duty.PLAN) as work:
            before = await work.reports.get(hospital_id, report_id)
            if before.state is ReportState.ACKNOWLEDGED:
                raise AlreadySo("this report is acknowledged already")
            after = replace(
                before,
                state=ReportState.ACKNOWLEDGED,
                acknowledged_by=actor,
                acknowledged_at=self._clock.now(),
            )
            await work.reports.update(after)
            states = {"state": before.state}, {"state": after.state, "report": report_id}
            await work.emit("intervention.report_acknowledged", hospital_id, before.intervention_id, *states)
        return after

    async def _standing(
        self, view: View, hospital_id: HospitalId, person_id: PersonId | None
    ) -> Sequence[Reporting]:
        sessions: dict[InterventionId, list[WorkedSession]] = defaultdict(list)
        for one in await view.reports.worked(hospital_id, person_id):
            sessions[one.intervention_id].append(one)
        reports = {one.intervention_id: one for one in await view.reports.list(hospital_id)}
        found = []
        for intervention_id, mine in sessions.items():
            intervention = await view.interventions.get(hospital_id, intervention_id)
            last = max(one.closed_at or one.opened_at for one in mine)
            found.append(
                Reporting(
                    intervention_id=intervention_id,
                    purpose=intervention.purpose,
                    devices=tuple(sorted({one.device_name for one in mine})),
                    sessions=len(mine),
                    last_at=last,
                    due_at=last + self._settings.report_within,
                    report=reports.get(intervention_id),
                )
            )
        return sorted(found, key=lambda one: (one.last_at, one.intervention_id), reverse=True)


def _facts(sessions: Sequence[WorkedSession]) -> Mapping[str, object]:
    return {
        "sessions": [
            {
                "session": one.session_id,
                "device": one.device_name,
                "opened_at": plain(one.opened_at),
                "closed_at": plain(one.closed_at),
                "end": one.end_reason,
            }
            for one in sessions
        ]
    }
