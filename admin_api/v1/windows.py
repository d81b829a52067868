"""Intervention windows: planned by one person, approved by another, and changed while they are open (rule O3)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from admin_api.deps import Context, Ctx, Paging, Spoken, Who, instant
from admin_api.security.permissions import PLANNING, READING, STOPPING, GuardedRoute
from admin_api.v1.schemas.base import Reason
from admin_api.v1.schemas.windows import (
    Approval,
    IdleBody,
    LocalTimes,
    Move,
    OccurrenceOut,
    Planned,
    PlannerNote,
    RecurrenceBody,
    Refusal,
    Stretch,
    WindowIn,
    WindowOut,
    WindowsPage,
)
from admin_api.wording import knows, say
from policy.domain.hospitals import Hospital
from policy.domain.ids import (
    DeviceId,
    HospitalId,
    InterventionId,
    OccurrenceId,
    PersonId,
    SupplierId,
    WindowId,
)
from policy.domain.people import Language
from policy.domain.windows import Forward, IdleRule, Occurrence, Recurrence, Window, WindowState
from policy.errors import InvalidInput, NotFound
from policy.services.tokens import Principal

router = APIRouter(prefix="/windows", tags=["windows"], route_class=GuardedRoute)

_AHEAD = timedelta(days=30)
_SHOWN = 400


@router.get("", openapi_extra=READING)
async def list_windows(
    context: Ctx,
    who: Who,
    page: Paging,
    from_: Annotated[str | None, Query(alias="from", description="Default: now.")] = None,
    to: Annotated[str | None, Query(description="Default: 30 days after `from`.")] = None,
    prefix: Annotated[
        str | None, Query(pattern="^[0-9a-f]{1,32}$", description="Whatever their time.")
    ] = None,
    intervention_id: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[
        WindowState | None, Query(description="`planned` with no times: all that wait for an answer.")
    ] = None,
) -> WindowsPage:
    """List the windows that are open, or open, between two instants, the soonest first."""
    hospital = await context.services.hospitals.get(who.hospital_id)
    intervention = InterventionId(intervention_id) if intervention_id is not None else None
    start = instant(from_, "from") or context.clock.now()
    end = instant(to, "to") or start + _AHEAD
    waiting = state is WindowState.PLANNED and to is None
    if prefix is not None:
        rows = await context.services.windows.list(
            who.person.id, who.hospital_id, intervention_id=intervention, state=state
        )
        rows = [row for row in rows if row.id.startswith(prefix)]
        start, end = context.clock.now(), datetime.max.replace(tzinfo=UTC)
    else:
        rows = await context.services.windows.list(
            who.person.id,
            who.hospital_id,
            start=start,
            end=None if waiting else end,
            intervention_id=intervention,
            state=state,
        )
        end = datetime.max.replace(tzinfo=UTC) if waiting else end
    return WindowsPage.part(rows, page, lambda row: _between(row, hospital, start, end))


@router.post("", status_code=201, openapi_extra=PLANNING)
async def plan_window(context: Ctx, who: Who, language: Spoken, body: WindowIn) -> Planned:
    """Plan a window. It opens nothing before somebody else approves it."""
    start_fold, end_fold = body.folds()
    once = body.recurrence is None
    planned = await context.services.windows.plan(
        who.person.id,
        who.hospital_id,
        purpose=body.purpose,
        people={PersonId(key) for key in body.people},
        devices={DeviceId(key) for key in body.devices},
        groups=body.groups,
        account=body.account,
        channels=body.channels,
        forwards=[Forward(port=one.port, label=one.label) for one in body.forwards],
        idle=_idle(body.idle),
        intervention_id=InterventionId(body.intervention_id) if body.intervention_id is not None else None,
        kind=body.kind,
        supplier_id=SupplierId(body.supplier_id) if body.supplier_id is not None else None,
        start=_local(body.start, "start") if once else None,
        end=_local(body.end, "end") if once else None,
        start_fold=start_fold if once else None,
        end_fold=end_fold if once else None,
        shift=body.shift,
        recurrence=_recurrence(body, body.recurrence),
        level=body.level,
        outage_grace=None
        if body.outage_grace_seconds is None
        else timedelta(seconds=body.outage_grace_seconds),
    )
    return await _planned(context, who, language, planned.window, planned.warnings)


@router.get("/{window_id}", openapi_extra=READING)
async def get_window(context: Ctx, who: Who, window_id: str) -> WindowOut:
    """Show one window with its openings from now on, or all of them where none is left."""
    hospital = await context.services.hospitals.get(who.hospital_id)
    window = await context.services.windows.get(who.person.id, who.hospital_id, WindowId(window_id))
    return _coming(window, hospital, context)


@router.post("/{window_id}/approve", openapi_extra=PLANNING)
async def approve_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Approval) -> Planned:
    """Approve a window that somebody else asked for, as it stood in the version looked at."""
    window = await context.services.windows.approve(
        who.person.id, who.hospital_id, WindowId(window_id), version=body.version
    )
    return await _planned(context, who, language, window)


@router.post("/{window_id}/refuse", openapi_extra=PLANNING)
async def refuse_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Refusal) -> Planned:
    """Refuse a window that somebody else asked for, as it stood in the version looked at; she reads why."""
    window = await context.services.windows.refuse(
        who.person.id, who.hospital_id, WindowId(window_id), version=body.version, reason=body.reason
    )
    return await _planned(context, who, language, window)


@router.post("/{window_id}/cancel", openapi_extra=STOPPING)
async def cancel_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Reason) -> Planned:
    """Cancel a window; a session in it is cut."""
    window = await context.services.windows.cancel(
        who.person.id, who.hospital_id, WindowId(window_id), reason=body.reason
    )
    return await _planned(context, who, language, window)


@router.post("/{window_id}/move", openapi_extra=PLANNING)
async def move_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Move) -> Planned:
    """Move a window to other times; who moves it asks for it anew, and somebody else approves."""
    start_fold, end_fold = body.folds()
    once = body.recurrence is None
    planned = await context.services.windows.move(
        who.person.id,
        who.hospital_id,
        WindowId(window_id),
        version=body.version,
        start=_local(body.start, "start") if once else None,
        end=_local(body.end, "end") if once else None,
        start_fold=start_fold if once else None,
        end_fold=end_fold if once else None,
        shift=body.shift,
        recurrence=_recurrence(body, body.recurrence),
    )
    return await _planned(context, who, language, planned.window, planned.warnings)


@router.post("/{window_id}/extend", openapi_extra=PLANNING)
async def extend_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Stretch) -> Planned:
    """Put off the end of an occurrence. Who asked for the window cannot alone: see `/extensions`."""
    occurrence = await occurrence_of(context, who.person.id, who.hospital_id, window_id, body.occurrence_id)
    window = await context.services.windows.extend(
        who.person.id,
        who.hospital_id,
        WindowId(window_id),
        end=occurrence.end + timedelta(minutes=body.minutes),
        occurrence_id=occurrence.id,
    )
    return await _planned(context, who, language, window)


@router.post("/{window_id}/shorten", openapi_extra=STOPPING)
async def shorten_window(context: Ctx, who: Who, language: Spoken, window_id: str, body: Stretch) -> Planned:
    """Bring the end of an occurrence forward; an end that has passed closes it now."""
    occurrence = await occurrence_of(context, who.person.id, who.hospital_id, window_id, body.occurrence_id)
    window = await context.services.windows.shorten(
        who.person.id,
        who.hospital_id,
        WindowId(window_id),
        end=occurrence.end - timedelta(minutes=body.minutes),
        occurrence_id=occurrence.id,
    )
    return await _planned(context, who, language, window)


async def occurrence_of(
    context: Context, actor: PersonId, hospital_id: HospitalId, window_id: str, occurrence_id: str | None
) -> Occurrence:
    """Return the occurrence named, else the one open now, else the next; raises NotFound."""
    window = await context.services.windows.get(actor, hospital_id, WindowId(window_id))
    now = context.clock.now()
    if occurrence_id is None:
        found = window.occurrence_at(now) or window.next_occurrence(now)
    else:
        named = OccurrenceId(occurrence_id)
        found = next((one for one in window.occurrences if one.id == named), None)
    if found is None:
        raise NotFound("occurrence", occurrence_id or window_id)
    return found


def _local(text: str, field: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field, "write a day and an hour that exist, such as 2026-11-23 20:00") from None


def _recurrence(times: LocalTimes, body: RecurrenceBody | None) -> Recurrence | None:
    if body is None:
        return None
    start, end = _local(times.start, "start"), _local(times.end, "end")
    if end <= start:
        raise InvalidInput("end", "write an end after the start")
    start_fold, end_fold = times.folds()
    return Recurrence(
        start=start,
        duration=end - start,
        rule=body.rule,
        exceptions=tuple(_local(text, "recurrence.exceptions") for text in body.exceptions),
        fold=start_fold if start_fold is not None else end_fold,
        shift=times.shift,
    )


def _idle(body: IdleBody | None) -> IdleRule | None:
    if body is None:
        return None
    ceiling = timedelta(seconds=body.ceiling_seconds) if body.ceiling_seconds is not None else None
    return IdleRule(
        limit=timedelta(seconds=body.limit_seconds), output_counts=body.output_counts, ceiling=ceiling
    )


async def _planned(
    context: Context, who: Principal, language: Language, window: Window, warnings: tuple[str, ...] = ()
) -> Planned:
    hospital = await context.services.hospitals.get(who.hospital_id)
    notes = [
        PlannerNote(
            key=key,
            message=say(key, language) if knows(key) else say("warning.unknown", language, warning=key),
        )
        for key in warnings
    ]
    return Planned(window=_coming(window, hospital, context), warnings=notes)


def _coming(window: Window, hospital: Hospital, context: Context) -> WindowOut:
    now = context.clock.now()
    shown = _between(window, hospital, now, datetime.max.replace(tzinfo=UTC))
    return shown if shown.occurrences else _between(window, hospital, datetime.min.replace(tzinfo=UTC), now)


def _between(window: Window, hospital: Hospital, start: datetime, end: datetime) -> WindowOut:
    """Show *window* with the occurrences that touch ``[start, end)``, at most as many as one answer holds."""
    touching = sorted(
        (one for one in window.occurrences if one.start < end and one.end > start), key=lambda one: one.start
    )
    return WindowOut.of(window, [OccurrenceOut.of(one, hospital.timezone) for one in touching[:_SHOWN]])
