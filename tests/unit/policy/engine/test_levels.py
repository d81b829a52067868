"""What a log-in must reach: the hospital's table, the device and the window, each with its next step."""

from dataclasses import replace

import pytest

from policy.domain.access import Denial, Facts, Finding, Grant, Held
from policy.domain.factors import Factor, FactorRow, FactorTable, Level
from policy.engine.decide import decide
from policy.engine.recheck import recheck
from tests.support.facts import (
    CLOSES,
    DEVICE,
    DURING,
    FACTS,
    HOSPITAL,
    OPENS,
    REQUEST,
    WINDOW,
    make_grant,
    named,
    with_windows,
)

PASSWORD = frozenset({Factor.PASSWORD, Factor.TOTP})
TOKEN = frozenset({Factor.TOKEN_CERTIFICATE})
HIGH_DEVICE = replace(FACTS, device=replace(DEVICE, level=Level.HIGH))
HIGH_WINDOW = with_windows(replace(WINDOW, level=Level.HIGH))


def failed(facts: Facts, factors: frozenset[Factor]) -> list[Finding]:
    """Return the rules that failed for a log-in with *factors*."""
    decision = decide(replace(REQUEST, factors=factors), facts, DURING)
    return list(decision.failed) if isinstance(decision, Denial) else []


@pytest.mark.parametrize("facts", [HIGH_DEVICE, HIGH_WINDOW])
def test_a_level_that_is_demanded_and_not_reached_refuses_with_the_next_step(facts: Facts) -> None:
    """Password and code on a device, or in a window, that demands hardware: S35, what was reached and what to do."""
    (finding,) = failed(facts, PASSWORD)
    assert (finding.code, finding.key) == ("S35", "finding.S35.level")
    assert (finding.next_step, finding.mover) == ("next.S35.level", "technician")
    assert (finding.arguments["level"], finding.arguments["demanded"]) == (Level.STANDARD, Level.HIGH)


@pytest.mark.parametrize("facts", [FACTS, HIGH_DEVICE, HIGH_WINDOW])
def test_a_token_alone_is_two_factors_of_the_high_level(facts: Facts) -> None:
    """A token with its PIN opens what demands the high level; the grant says what was used and what it reached."""
    grant = decide(replace(REQUEST, factors=TOKEN), facts, DURING)
    assert isinstance(grant, Grant)
    assert (grant.factors, grant.level) == (TOKEN, Level.HIGH)
    assert b'"level":"high"' in grant.canonical_bytes()


def test_the_table_as_it_stands_decides_on_a_new_session() -> None:
    """A row taken away after the log-in opens no more session, though the connection is there."""
    table = FactorTable((FactorRow(TOKEN, Level.HIGH),))
    facts = replace(FACTS, hospital=replace(HOSPITAL, factors=table))
    assert [finding.key for finding in failed(facts, PASSWORD)] == ["finding.S35.missing"]


def test_a_live_session_keeps_the_level_it_reached_and_meets_a_new_demand() -> None:
    """A table changed meanwhile takes nothing away; a device that now demands more ends the session."""
    grant = make_grant()
    table = FactorTable((FactorRow(TOKEN, Level.HIGH),))
    changed = replace(FACTS, hospital=replace(HOSPITAL, factors=table))
    assert isinstance(recheck(grant, changed, DURING), Held)
    answer = recheck(grant, HIGH_DEVICE, DURING)
    assert isinstance(answer, Denial)
    assert [finding.key for finding in answer.failed] == ["finding.S35.level"]


def test_of_two_open_windows_the_one_whose_level_is_reached_serves() -> None:
    """A window that demands more, though it ends later, stands in nobody's way."""
    demanding = replace(named(WINDOW, "w2", (OPENS, CLOSES + (CLOSES - OPENS))), level=Level.HIGH)
    facts = with_windows(WINDOW, demanding)
    standard = decide(replace(REQUEST, factors=PASSWORD), facts, DURING)
    high = decide(replace(REQUEST, factors=TOKEN), facts, DURING)
    assert isinstance(standard, Grant)
    assert isinstance(high, Grant)
    assert (standard.window_id, high.window_id) == (WINDOW.id, demanding.id)
