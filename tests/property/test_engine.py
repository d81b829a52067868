from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from policy.domain.access import AccessRequest, Denial, Facts, Grant, Held, Revocation, RevocationScope
from policy.domain.ids import PersonId
from policy.domain.interventions import InterventionState
from policy.domain.people import Role
from policy.domain.windows import Channel, IdleRule, Window, WindowState
from policy.engine.decide import decide
from policy.engine.explain import explain
from policy.engine.openings import openings
from policy.engine.recheck import recheck
from tests.support.facts import (
    ACCOUNT,
    ALICE,
    DEVICE,
    FACTS,
    HOSPITAL,
    INTERVENTION,
    OPENS,
    REQUEST,
    SECOND_ACCOUNT,
    SUPPLIER,
    WINDOW,
    ZONE,
    named,
)

INSTANTS = st.integers(-600, 600).map(lambda minutes: OPENS + timedelta(minutes=minutes))
CHANNELS = st.frozensets(st.sampled_from(list(Channel)))
MOSTLY = st.sampled_from([True, True, True, True, False])


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Draw a window that more often than not would open at some of the instants."""
    spans = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(INSTANTS)
        spans.append((start, start + timedelta(minutes=draw(st.integers(1, 300)))))
    return replace(
        named(WINDOW, draw(st.sampled_from(["w1", "w2", "w3"])), *spans),
        people=frozenset({ALICE.id} if draw(MOSTLY) else {PersonId("bob")}),
        devices=frozenset({DEVICE.id} if draw(MOSTLY) else ()),
        groups=frozenset({"scanners"} if draw(MOSTLY) else ()),
        account=draw(st.sampled_from([None, "maint", "maint", "param"])),
        channels=draw(CHANNELS),
        idle=IdleRule(limit=timedelta(minutes=draw(st.sampled_from([0, 5, 10])))),
        state=draw(st.sampled_from([WindowState.APPROVED, WindowState.APPROVED, *WindowState])),
        approved_by=draw(st.sampled_from([PersonId("denis"), PersonId("denis"), PersonId("dsi"), None])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    """Draw facts in which each thing is more often right than wrong."""
    cut = Revocation(
        hospital_id=HOSPITAL.id,
        scope=draw(st.sampled_from([RevocationScope.ALL, RevocationScope.PERSON])),
        target=ALICE.id,
        at=draw(INSTANTS),
        reason="x",
        by=PersonId("rssi"),
    )
    return replace(
        FACTS,
        person=replace(
            ALICE, active=draw(MOSTLY), roles=frozenset({Role.TECHNICIAN} if draw(MOSTLY) else ())
        ),
        supplier=replace(SUPPLIER, active=draw(MOSTLY)),
        device=replace(DEVICE, active=draw(MOSTLY)),
        zone=ZONE if draw(MOSTLY) else None,
        accounts=(replace(ACCOUNT, vaulted=draw(MOSTLY)), replace(SECOND_ACCOUNT, active=draw(MOSTLY))),
        windows=tuple(draw(st.lists(windows(), max_size=3, unique_by=lambda one: one.id))),
        interventions={
            INTERVENTION.id: replace(
                INTERVENTION,
                state=draw(st.sampled_from([InterventionState.APPROVED] * 4 + list(InterventionState))),
            )
        },
        revocations=() if draw(MOSTLY) else (cut,),
        live_sessions=draw(st.sampled_from([0, 0, 1, 4])),
    )


REQUESTS = st.sampled_from(
    [REQUEST, replace(REQUEST, account_name="maint"), replace(REQUEST, account_name="param")]
)


@given(facts=worlds(), request=REQUESTS, at=INSTANTS)
def test_a_grant_lies_within_an_approved_occurrence(
    facts: Facts, request: AccessRequest, at: datetime
) -> None:
    """Whatever the facts, a grant's instant falls in an approved occurrence that names all it grants."""
    decision = decide(request, facts, at)
    if not isinstance(decision, Grant):
        return
    (window,) = [one for one in facts.windows if one.id == decision.window_id]
    assert window.state is WindowState.APPROVED
    assert window.approved_by not in {None, window.requested_by}
    assert any(one.id == decision.occurrence_id and one.start <= at < one.end for one in window.occurrences)
    assert ALICE.id in window.people
    assert DEVICE.id in window.devices or window.groups & DEVICE.groups
    assert window.account in {None, decision.account_name}
    assert decision.obligations.channels == window.channels != frozenset()
    assert at < decision.obligations.hard_end <= max(one.end for one in window.occurrences)


@given(facts=worlds(), request=REQUESTS, at=INSTANTS)
def test_decision_and_findings_agree(facts: Facts, request: AccessRequest, at: datetime) -> None:
    """A grant has no failed finding, a denial has one at least, and why says the same."""
    decision = decide(request, facts, at)
    explanation = explain(request, facts, at)
    assert explanation.allowed is isinstance(decision, Grant)
    assert explanation.findings == decision.findings
    if isinstance(decision, Denial):
        assert decision.failed
        assert all(finding.next_step and finding.mover for finding in decision.failed)
        assert decision.next_opening is None or decision.next_opening[0] > at


@given(facts=worlds(), request=REQUESTS, at=INSTANTS)
def test_a_fresh_grant_holds(facts: Facts, request: AccessRequest, at: datetime) -> None:
    """What was granted holds at the same instant under the same facts, with the same obligations."""
    grant = decide(request, facts, at)
    if isinstance(grant, Grant):
        assert recheck(grant, facts, at) == Held(
            obligations=grant.obligations, ask_again_at=grant.ask_again_at
        )


@given(facts=worlds(), request=REQUESTS, at=INSTANTS, share=st.floats(0, 1, exclude_max=True))
def test_nothing_changes_before_it_is_to_be_asked_again(
    facts: Facts, request: AccessRequest, at: datetime, share: float
) -> None:
    """With no fact changed, a grant holds until ``ask_again_at`` and not at it."""
    grant = decide(request, facts, at)
    if isinstance(grant, Grant):
        between = at + (grant.ask_again_at - at) * share
        assert isinstance(
            recheck(grant, facts, min(between, grant.ask_again_at - timedelta(microseconds=1))), Held
        )
        assert isinstance(recheck(grant, facts, grant.ask_again_at), Denial)


@given(before=worlds(), after=worlds(), at=INSTANTS, later=st.integers(0, 300))
def test_what_still_holds_would_be_granted_again(
    before: Facts, after: Facts, at: datetime, later: int
) -> None:
    """Whatever changed: a session that holds could be opened anew, limits and later cuts aside."""
    grant = decide(REQUEST, before, at)
    if not isinstance(grant, Grant):
        return
    then = at + timedelta(minutes=later)
    if isinstance(recheck(grant, after, then), Held):
        again = decide(
            replace(REQUEST, account_name=grant.account_name), replace(after, live_sessions=0), then
        )
        assert isinstance(again, Grant)
        assert again.obligations.hard_end >= then


@given(facts=worlds(), at=INSTANTS)
def test_the_menu_lists_what_would_open(facts: Facts, at: datetime) -> None:
    """Each line of the menu opens when it is typed; what opens is on the menu."""
    free = replace(facts, live_sessions=0, revocations=())
    listed = {opening.account_name: opening for opening in openings([free], at)}
    for name in ("maint", "param"):
        decision = decide(replace(REQUEST, account_name=name), free, at)
        assert isinstance(decision, Grant) is (name in listed)
        if isinstance(decision, Grant):
            assert listed[name].until == decision.obligations.hard_end
            assert listed[name].channels == decision.obligations.channels


@given(facts=worlds(), at=INSTANTS)
def test_order_of_rows_is_no_matter(facts: Facts, at: datetime) -> None:
    """Rows in another order give the same answer: two nodes never disagree."""
    shuffled = replace(facts, windows=facts.windows[::-1], accounts=facts.accounts[::-1])
    one, other = decide(REQUEST, facts, at), decide(REQUEST, shuffled, at)
    assert one.findings == other.findings
    if isinstance(one, Grant) and isinstance(other, Grant):
        assert (one.window_id, one.account_id, one.obligations) == (
            other.window_id,
            other.account_id,
            other.obligations,
        )
