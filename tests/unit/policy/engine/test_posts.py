"""E2: where it is agreed, one post at a time; the one that was there first stays."""

from dataclasses import replace

import pytest

from policy.domain.access import Denial, Facts, Grant, Held
from policy.domain.posts import post_of
from policy.engine.decide import decide
from policy.engine.explain import explain
from policy.engine.recheck import recheck
from tests.support.facts import ALICE, DURING, FACTS, REQUEST, SUPPLIER, make_grant

ELSEWHERE = frozenset({"192.0.2.99"})
BOUND = replace(FACTS, person=replace(ALICE, one_post=True), live_sessions=1, sources=ELSEWHERE)
SUPPLIERS = replace(FACTS, supplier=replace(SUPPLIER, one_post=True), live_sessions=1, sources=ELSEWHERE)


@pytest.mark.parametrize("facts", [BOUND, SUPPLIERS])
def test_a_second_post_is_refused_with_the_next_step(facts: Facts) -> None:
    """By her own flag or her supplier's: E2, where the first session comes from, and whose move it is."""
    decision = decide(REQUEST, facts, DURING)
    assert isinstance(decision, Denial)
    (finding,) = decision.failed
    assert (finding.code, finding.key, finding.mover) == ("E2", "finding.E2.elsewhere", "technician")
    assert finding.arguments["source"] == "192.0.2.99"


@pytest.mark.parametrize("sources", [frozenset(), frozenset({REQUEST.source})])
def test_the_same_post_may_open_more(sources: frozenset[str]) -> None:
    """Nothing open, or open from here: E2 holds."""
    decision = decide(REQUEST, replace(BOUND, sources=sources), DURING)
    assert isinstance(decision, Grant)
    assert "E2" in [finding.code for finding in decision.findings if finding.held]


def test_where_nothing_is_agreed_nobody_looks() -> None:
    """Without the flag several posts are nobody's business."""
    decision = decide(REQUEST, replace(FACTS, live_sessions=1, sources=ELSEWHERE), DURING)
    assert isinstance(decision, Grant)
    assert "E2" not in [finding.code for finding in decision.findings]


def test_the_first_post_stays_and_who_asks_beforehand_is_not_judged() -> None:
    """A live session is not ended by a second one that tries; ``why`` without a source does not guess."""
    assert isinstance(recheck(make_grant(), BOUND, DURING), Held)
    told = explain(replace(REQUEST, source=""), BOUND, DURING)
    assert [finding.held for finding in told.findings if finding.code == "E2"] == [True]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.7", "::ffff:192.0.2.7", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("nowhere", "nowhere", True),
    ],
)
def test_what_a_post_is(one: str, other: str, same: bool) -> None:
    """An IPv4 address, mapped or not; an IPv6 /64, within which a post changes its address by itself."""
    assert (post_of(one) == post_of(other)) is same
