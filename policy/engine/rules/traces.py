"""Where traces go: the central store (T11), or the gateway's own disk for the kinds that may spool (T12)."""

from typing import Final

from policy.domain.access import Finding
from policy.domain.interventions import InterventionKind
from policy.engine.case import Case
from policy.engine.rules.findings import failed, held

CENTRAL_ONLY: Final = frozenset({InterventionKind.REMOTE_MAINTENANCE})
"""The kinds that the guide gives no local storage (T12 has no mark for télémaintenance)."""


def findings(case: Case) -> tuple[Finding, ...]:
    """Return the findings of this family.

    A live session has none: its obligations say how long it outlasts the store, and the gateway holds it to them.
    Nor has one without a window, whose kind nobody can tell.
    """
    if case.grant is not None or case.chosen is None or case.chosen.intervention is None:
        return ()
    if case.traces is None:
        return (held("T11", "finding.T11.unstated"),)
    if case.chosen.intervention.kind in CENTRAL_ONLY:
        return (central(case), room(case)) if case.traces.spool_full else (central(case),)
    return spooled(case), room(case)


def central(case: Case) -> Finding:
    """T11: the central store takes traces now."""
    if case.traces is None or case.traces.unreachable_since is None:
        return held("T11", "finding.T11.reachable")
    since = case.traces.unreachable_since
    if case.traces.catalogue:
        return failed("T11", "finding.T11.catalogue", "next.T11.catalogue", "administrator", since=since)
    return failed("T11", "finding.T11.unreachable", "next.T11.unreachable", "administrator", since=since)


def spooled(case: Case) -> Finding:
    """T11: the central store takes traces, or will once it is back (T12)."""
    if case.traces is None or case.traces.unreachable_since is None:
        return held("T11", "finding.T11.reachable")
    since = case.traces.unreachable_since
    if case.traces.catalogue:
        return held("T11", "finding.T11.unlisted", since=since)
    return held("T11", "finding.T11.spooled", since=since)


def room(case: Case) -> Finding:
    """T12: the gateway's own disk may hold more traces that wait for the store."""
    if case.traces is None or case.traces.spool_full:
        return failed("T12", "finding.T12.full", "next.T12.full", "administrator")
    return held("T12", "finding.T12.room")
