"""The plan of a purge: what goes, when, and what stays and why; shown before, and what the purge itself goes by."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from policy.domain.holds import Hold, Recorded, holding
from policy.domain.keeping import RetentionRule
from recorder.errors import TraceFormatError, TraceLocked, TraceNotFound
from recorder.ports import TraceStore
from recorder.retention.journal import JournalPlan
from recorder.retention.shelf import ClosedTrace, PurgeShelf
from recorder.retention.witness import Witness
from recorder.store.catalog import CatalogedSession

SHOWN: Final = 100
"""Traces that a plan lists one by one; of the rest it tells number and size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One trace that is due, or will be: from ``due_at`` on (aware UTC).

    ``stays`` says why it does not go then: ``held`` (by the hold for ``case``), ``locked`` (the store keeps it until
    ``until``), ``unseen`` (nobody saw enough time pass since it ended), ``missing`` (not in the store) or ``altered``
    (what the store has is no trace, or its row in the catalogue is not what a gateway writes).
    """

    trace: ClosedTrace
    due_at: datetime
    stays: str | None = None
    case: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is due by ``until``. ``count`` and ``size`` (bytes) are of all of it, ``planned`` of the first `SHOWN`.

    ``doubt`` says why nothing at all is purged now; ``waiting`` are erased traces whose rest the store still keeps;
    ``journal`` is what goes of the journal.
    """

    rule: RetentionRule
    until: datetime
    doubt: str | None
    planned: Sequence[Planned]
    count: int
    size: int
    waiting: Sequence[tuple[ClosedTrace, datetime | None]]
    journal: JournalPlan


def recorded(trace: ClosedTrace | CatalogedSession) -> Recorded:
    """Return what policy needs to know of a trace."""
    header = trace.header
    return Recorded(
        session_id=header.session_id,
        person_id=str(header.person["id"]),
        device_id=str(header.device["id"]),
        intervention_id=str(header.intervention["id"]),
        opened_at=header.started_at,
        closed_at=trace.closed_at,
    )


def judged(trace: ClosedTrace, rule: RetentionRule, holds: Sequence[Hold], seen: Witness) -> Planned:
    """Return when a trace is due by *rule*, and why it stays: what can be told without asking the store."""
    keep = timedelta(days=rule.recordings_days)
    due_at = trace.closed_at + keep
    found = holding(holds, recorded(trace), seen.now)
    if found:
        return Planned(trace=trace, due_at=due_at, stays="held", case=found[0].case)
    if due_at <= seen.now and seen.age_of(trace.closed_at, trace.noted_at) < keep:
        return Planned(trace=trace, due_at=due_at, stays="unseen")
    return Planned(trace=trace, due_at=due_at)


async def plan(
    shelf: PurgeShelf,
    store: TraceStore,
    rule: RetentionRule,
    holds: Sequence[Hold],
    seen: Witness,
    ahead: timedelta,
    journal: JournalPlan,
) -> Plan:
    """Return what is due within *ahead*. Raises SQLAlchemyError, StoreUnavailable."""
    until = seen.now + ahead
    before = until - timedelta(days=rule.recordings_days)
    page = await shelf.closed(before=before, limit=SHOWN)
    planned = [judged(trace, rule, holds, seen) for trace in page.traces]
    planned = await asyncio.to_thread(lambda: [_asked(store, one, seen.now) for one in planned])
    count, size = await shelf.totals(before)
    return Plan(
        rule=rule,
        until=until,
        doubt=seen.doubt,
        planned=planned,
        count=count,
        size=size,
        waiting=[(one.trace, one.kept_until) for one in await shelf.waiting()],
        journal=journal,
    )


def _asked(store: TraceStore, one: Planned, now: datetime) -> Planned:
    """Return it as the store sees it: what the store keeps longer than the rule, or has not."""
    if one.stays is not None:
        return one
    if one.trace.altered:
        return Planned(trace=one.trace, due_at=one.due_at, stays="altered")
    try:
        objects = store.objects(one.trace.place)
    except TraceNotFound:
        return Planned(trace=one.trace, due_at=one.due_at, stays="missing")
    except (TraceFormatError, TraceLocked):
        return Planned(trace=one.trace, due_at=one.due_at, stays="altered")
    if any(each.held for each in objects):
        return Planned(trace=one.trace, due_at=one.due_at, stays="held")
    until = max((each.retain_until for each in objects if each.retain_until is not None), default=now)
    if until > max(now, one.due_at):
        return Planned(trace=one.trace, due_at=one.due_at, stays="locked", until=until)
    return one
