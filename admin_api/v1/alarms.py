"""Alarms: what must be looked at, and what the hospital did about it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Context, Ctx, Paging, Spoken, Who
from admin_api.evidence import note
from admin_api.security.permissions import VERIFYING, GuardedRoute
from admin_api.v1.schemas.alarms import (
    AcknowledgeIn,
    AlarmDetail,
    AlarmOut,
    AlarmsPage,
    CallOut,
    CloseIn,
    TestOut,
)
from policy.domain.alarms import AlarmState, Severity
from policy.services.tokens import Principal

router = APIRouter(prefix="/alarms", tags=["alarms"], route_class=GuardedRoute)


class Which(StrEnum):
    """Which alarms a list shows."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"

    @property
    def states(self) -> frozenset[AlarmState]:
        """The states that it means; who acknowledged an alarm has not closed it."""
        closed = frozenset({AlarmState.CLOSED})
        return {
            Which.OPEN: frozenset(AlarmState) - closed,
            Which.CLOSED: closed,
            Which.ALL: frozenset(AlarmState),
        }[self]


@router.get("", openapi_extra=VERIFYING)
async def list_alarms(
    context: Ctx,
    who: Who,
    spoken: Spoken,
    page: Paging,
    state: Annotated[Which, Query(description="Open ones are those that nobody closed.")] = Which.OPEN,
    severity: Annotated[Severity | None, Query(description="Of this severity only.")] = None,
) -> AlarmsPage:
    """List the alarms, the one seen last first."""
    rows = await context.services.alarms.list(who.person.id, who.hospital_id, state.states)
    kept = [row for row in rows if severity is None or row.severity is severity]
    logins = await _logins(context, who)
    return AlarmsPage.part(kept, page, lambda row: AlarmOut.of(row, spoken, logins, context.vocabulary))


@router.post("/test", status_code=202, openapi_extra=VERIFYING)
async def test_alarms(context: Ctx, who: Who) -> TestOut:
    """Raise an exercise: it takes the way of a real one, from the journal to the mail and the webhook."""
    await note(context, who, "alarm.test", details={"login": who.person.login})
    return TestOut(asked_by=who.person.login, at=context.clock.now())


@router.get("/{alarm_id}", openapi_extra=VERIFYING)
async def get_alarm(context: Ctx, who: Who, spoken: Spoken, alarm_id: str) -> AlarmDetail:
    """Show one alarm, and what became of the messages about it."""
    alarm = await context.services.alarms.get(who.person.id, who.hospital_id, alarm_id)
    calls = await context.services.alarms.calls(who.person.id, who.hospital_id, alarm_id)
    shown = AlarmOut.of(alarm, spoken, await _logins(context, who), context.vocabulary)
    return AlarmDetail(**shown.model_dump(), calls=[CallOut.of(call) for call in calls])


@router.post("/{alarm_id}/acknowledge", openapi_extra=VERIFYING)
async def acknowledge_alarm(
    context: Ctx, who: Who, spoken: Spoken, alarm_id: str, body: AcknowledgeIn
) -> AlarmOut:
    """Say that you look into it."""
    alarm = await context.services.alarms.acknowledge(who.person.id, who.hospital_id, alarm_id, body.note)
    return AlarmOut.of(alarm, spoken, await _logins(context, who), context.vocabulary)


@router.post("/{alarm_id}/close", openapi_extra=VERIFYING)
async def close_alarm(context: Ctx, who: Who, spoken: Spoken, alarm_id: str, body: CloseIn) -> AlarmOut:
    """Say what it was; the same cause is a new alarm from now on."""
    alarm = await context.services.alarms.close(who.person.id, who.hospital_id, alarm_id, body.note)
    return AlarmOut.of(alarm, spoken, await _logins(context, who), context.vocabulary)


async def _logins(context: Context, who: Principal) -> Mapping[str, str]:
    people = await context.services.people.list(who.person.id, who.hospital_id)
    return {row.id: row.login for row in people}
