"""Reports of interventions (rule O5): what is due, what was filed, and that the hospital has read it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Ctx, Paging, Who
from admin_api.security.permissions import PLANNING, READING, GuardedRoute
from admin_api.v1.schemas.base import Page, Shown
from policy.domain.reports import Goal, ReportState

router = APIRouter(prefix="/reports", tags=["reports"], route_class=GuardedRoute)


class ReportOut(Shown):
    """A report as it was filed, with the sessions that policy knows of."""

    id: str
    intervention_id: str
    author_id: str
    state: ReportState
    goal: Goal
    what: str
    facts: Mapping[str, object]
    filed_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None


class ReportingOut(Shown):
    """Where the report of one intervention stands; ``report`` is null while it is due."""

    intervention_id: str
    purpose: str
    devices: list[str]
    sessions: int
    last_at: datetime
    due_at: datetime
    state: ReportState
    report: ReportOut | None


class ReportsPage(Page[ReportingOut]):
    """One page of interventions that were worked on, the last one first."""


@router.get("", openapi_extra=READING)
async def list_reports(
    context: Ctx,
    who: Who,
    page: Paging,
    state: Annotated[ReportState | None, Query(description="Those in this state only.")] = None,
) -> ReportsPage:
    """List the interventions that were worked on, with where the report of each stands."""
    rows = await context.services.reports.list(who.person.id, who.hospital_id)
    kept = [row for row in rows if state is None or row.state is state]
    return ReportsPage.part(kept, page, ReportingOut.of, key=lambda row: row.intervention_id)


@router.post("/{report_id}/acknowledge", openapi_extra=PLANNING)
async def acknowledge_report(context: Ctx, who: Who, report_id: str) -> ReportOut:
    """Note that the hospital has read the report; it is final from now on."""
    report = await context.services.reports.acknowledge(who.person.id, who.hospital_id, report_id)
    return ReportOut.of(report)
