from dataclasses import replace
from datetime import timedelta

from policy.domain.access import Denial, Grant
from policy.engine.decide import decide
from policy.engine.explain import explain
from tests.support.facts import CLOSES, DURING, FACTS, OPENS, REQUEST, make_grant, with_windows


def test_explanation_of_a_grant_is_its_findings() -> None:
    """Why says what decide says: every rule, held, in gate order."""
    explanation = explain(REQUEST, FACTS, DURING)
    assert explanation.allowed
    assert explanation.findings == make_grant().findings


def test_explanation_of_a_denial_is_its_findings() -> None:
    """The rules that held are shown beside those that failed, with the next opening."""
    before = OPENS - timedelta(hours=1)
    explanation, decision = explain(REQUEST, FACTS, before), decide(REQUEST, FACTS, before)
    assert isinstance(decision, Denial)
    assert not explanation.allowed
    assert explanation.findings == decision.findings
    assert explanation.next_opening == (OPENS, CLOSES)
    assert {finding.held for finding in explanation.findings} == {True, False}


def test_what_only_the_log_in_shows_is_said_to_be_unstated() -> None:
    """Asked beforehand, source and factors are not judged, and the findings say so."""
    explanation = explain(replace(REQUEST, source="", factors=frozenset()), FACTS, DURING)
    assert explanation.allowed
    unstated = {finding.key for finding in explanation.findings if finding.key.endswith("unstated")}
    assert unstated == {"finding.C2.unstated", "finding.S35.unstated", "finding.T11.unstated"}


def test_an_unstated_source_is_for_explanations_alone() -> None:
    """What an explanation leaves open, a decision refuses."""
    for request in (replace(REQUEST, source=""), replace(REQUEST, factors=frozenset())):
        assert not isinstance(decide(request, FACTS, DURING), Grant)


def test_a_stated_source_is_judged() -> None:
    """``why --from`` an undeclared address says that C2 fails."""
    explanation = explain(replace(REQUEST, source="203.0.113.9"), FACTS, DURING)
    assert [finding.code for finding in explanation.findings if not finding.held] == ["C2"]


def test_explanation_tells_a_stranger_nothing() -> None:
    """``why`` gives somebody whom no window names the same answer for any device."""
    forbidden = explain(REQUEST, with_windows(), DURING)
    unknown = explain(REQUEST, replace(FACTS, device=None, zone=None, accounts=(), windows=()), DURING)
    assert forbidden.told == unknown.told
    assert not forbidden.disclose
    assert not unknown.disclose
