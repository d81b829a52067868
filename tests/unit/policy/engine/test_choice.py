from dataclasses import replace

import pytest

from policy.domain.ids import InterventionId
from policy.domain.interventions import InterventionState
from policy.domain.windows import Channel, Window
from tests.support.facts import (
    ACCOUNT,
    CLOSES,
    FACTS,
    INTERVENTION,
    LATER,
    OPENS,
    REQUEST,
    SECOND,
    SECOND_ACCOUNT,
    WINDOW,
    keys,
    make_grant,
    named,
    refused,
    with_windows,
)


def test_several_accounts_and_none_named() -> None:
    """T9: where several accounts may be meant the refusal says what to type, and typing it opens."""
    window = replace(WINDOW, account=None)
    world = replace(with_windows(window), accounts=(SECOND_ACCOUNT, ACCOUNT))
    denial = refused(world)
    assert keys(denial) == ["finding.T9.ambiguous"]
    assert denial.failed[0].arguments["accounts"] == ("maint", "param")
    assert denial.failed[0].arguments["login"] == "alice+scan01+maint"
    assert make_grant(world, request=replace(REQUEST, account_name="param")).account_name == "param"


def test_account_follows_the_open_window() -> None:
    """With several accounts and none named, the window open now says which; windows to come do not matter."""
    tomorrow = replace(named(WINDOW, "w2", LATER), account="param")
    world = replace(with_windows(WINDOW, tomorrow), accounts=(ACCOUNT, SECOND_ACCOUNT))
    assert make_grant(world).account_name == "maint"


def test_suspended_account_leaves_no_choice() -> None:
    """An account that is not active is not one of those that may be meant."""
    world = replace(
        with_windows(replace(WINDOW, account=None)), accounts=(ACCOUNT, replace(SECOND_ACCOUNT, active=False))
    )
    assert make_grant(world).account_name == "maint"


def test_account_outside_the_window_is_refused() -> None:
    """O3: the window's account is the only one it opens, however good the other is."""
    world = replace(FACTS, accounts=(ACCOUNT, SECOND_ACCOUNT))
    denial = refused(world, replace(REQUEST, account_name="param"))
    assert keys(denial) == ["finding.O3.other_account"]
    assert denial.failed[0].arguments["accounts"] == ("maint",)


@pytest.mark.parametrize("name", ["root", "", "MAINT", "maint ", "maint\x00", "a" * 4096])
def test_hostile_account_names_are_refused(name: str) -> None:
    """An account name that is none is refused without an error, as any other."""
    assert refused(request=replace(REQUEST, account_name=name)).failed


def test_device_without_any_account() -> None:
    """T9: a device with no dedicated account does not open, though its window is open."""
    denial = refused(replace(with_windows(replace(WINDOW, account=None)), accounts=()))
    assert keys(denial) == ["finding.T9.none"]


def test_of_two_open_windows_the_last_to_end_is_taken() -> None:
    """One window is chosen, by its end; rights of two windows never add up."""
    longer = replace(named(WINDOW, "w0", (OPENS, CLOSES + SECOND)), channels=frozenset({Channel.EXEC}))
    for windows in ((WINDOW, longer), (longer, WINDOW)):
        grant = make_grant(with_windows(*windows))
        assert grant.window_id == "w0"
        assert grant.obligations.channels == {Channel.EXEC}
        assert grant.obligations.hard_end == CLOSES + SECOND


def test_ties_are_broken_by_id() -> None:
    """Two windows that end together: every node takes the one of the smaller id."""
    twin = named(WINDOW, "w2", (OPENS, CLOSES))
    for windows in ((WINDOW, twin), (twin, WINDOW)):
        assert make_grant(with_windows(*windows)).window_id == "w1"


def test_window_on_living_work_comes_first() -> None:
    """A longer window on a closed intervention does not hide a shorter one that can serve."""
    dead = replace(INTERVENTION, id=InterventionId("i2"), state=InterventionState.CLOSED)
    longer: Window = replace(named(WINDOW, "w0", (OPENS, CLOSES + SECOND)), intervention_id=dead.id)
    world = replace(
        with_windows(WINDOW, longer), interventions={INTERVENTION.id: INTERVENTION, dead.id: dead}
    )
    assert make_grant(world).window_id == "w1"
