"""Where traces go: a télémaintenance needs the central store (T11), the other kinds may spool, within bounds (T12)."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from policy.domain.access import Denial, Facts, Finding, Grant, Held, TraceKeeping
from policy.domain.interventions import InterventionKind
from policy.engine.decide import decide
from policy.engine.recheck import recheck
from tests.support.facts import DURING, FACTS, INTERVENTION, OPENS, REQUEST, WINDOW, make_grant, with_windows

MAINTENANCE = InterventionKind.REMOTE_MAINTENANCE
OTHERS = (InterventionKind.REMOTE_MONITORING, InterventionKind.REMOTE_ASSISTANCE)
AWAY = TraceKeeping(unreachable_since=OPENS)
FULL = TraceKeeping(spool_full=True)


def of_kind(kind: InterventionKind, facts: Facts = FACTS) -> Facts:
    """The facts, with an intervention of that kind."""
    return replace(facts, interventions={INTERVENTION.id: replace(INTERVENTION, kind=kind)})


def failed(kind: InterventionKind, traces: TraceKeeping | None) -> list[Finding]:
    """The rules that fail for a session of that kind, as the gateway knows the store."""
    decision = decide(replace(REQUEST, traces=traces), of_kind(kind), DURING)
    return list(decision.failed) if isinstance(decision, Denial) else []


def test_no_maintenance_opens_without_the_store() -> None:
    """Rule T11 names since when, what to do and whose move it is."""
    (finding,) = failed(MAINTENANCE, AWAY)
    assert (finding.code, finding.key, finding.mover) == ("T11", "finding.T11.unreachable", "administrator")
    assert finding.arguments == {"since": OPENS}
    assert finding.next_step == "next.T11.unreachable"
    (finding,) = failed(MAINTENANCE, replace(AWAY, catalogue=True))
    assert (finding.key, finding.next_step) == ("finding.T11.catalogue", "next.T11.catalogue")


@pytest.mark.parametrize("kind", OTHERS)
def test_the_other_kinds_spool_until_the_spool_is_full(kind: InterventionKind) -> None:
    """Without the store they open, and rule T12 refuses them once no more may wait."""
    assert failed(kind, AWAY) == failed(kind, replace(AWAY, catalogue=True)) == []
    both = TraceKeeping(unreachable_since=OPENS, spool_full=True)
    assert [(one.code, one.mover) for one in failed(kind, both)] == [("T12", "administrator")]


def test_a_full_spool_opens_nothing() -> None:
    """Where no more may wait nothing is recorded, whatever the kind; a maintenance reads both reasons."""
    for kind in InterventionKind:
        assert [one.code for one in failed(kind, FULL)] == ["T12"]
    both = TraceKeeping(unreachable_since=OPENS, spool_full=True)
    assert [one.code for one in failed(MAINTENANCE, both)] == ["T11", "T12"]


def test_who_does_not_know_the_store_judges_nothing() -> None:
    """Asked by the hospital's staff, who know nothing of the gateway's disk, the rule is left to the opening."""
    for kind, traces in product(InterventionKind, (None, TraceKeeping())):
        assert failed(kind, traces) == []


def test_only_a_maintenance_has_a_grace() -> None:
    """Its window says how long it outlasts the store; the others go on in the spool."""
    longer = with_windows(replace(WINDOW, outage_grace=timedelta(minutes=10)))
    for kind in InterventionKind:
        decision = decide(REQUEST, of_kind(kind, longer), DURING)
        assert isinstance(decision, Grant)
        expected = timedelta(minutes=10) if kind is MAINTENANCE else None
        assert decision.obligations.outage_grace == expected


def test_a_grace_that_is_lengthened_reaches_the_live_session() -> None:
    """A window changed in the middle of an outage gives its sessions the time it now says."""
    longer = with_windows(replace(WINDOW, outage_grace=timedelta(hours=1)))
    held = recheck(make_grant(), longer, DURING)
    assert isinstance(held, Held)
    assert held.obligations.outage_grace == timedelta(hours=1)
