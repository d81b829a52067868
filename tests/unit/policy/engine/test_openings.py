from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from policy.domain.access import Facts
from policy.domain.ids import DeviceId
from policy.domain.people import Role
from policy.domain.windows import Channel, WindowState
from policy.engine.openings import openings
from tests.support.facts import (
    ACCOUNT,
    ALICE,
    CLOSES,
    DEVICE,
    DURING,
    FACTS,
    OPENS,
    SECOND_ACCOUNT,
    SUPPLIER,
    WINDOW,
    with_windows,
)


def test_opening_says_device_account_end_and_purpose() -> None:
    """A line of the menu: what is open, under which account, until when, why."""
    (opening,) = openings([FACTS], DURING)
    assert (opening.device_name, opening.account_name, opening.until) == ("scan01", "maint", CLOSES)
    assert opening.purpose == WINDOW.purpose
    assert opening.channels == {Channel.SHELL, Channel.SFTP_UP}


def test_openings_are_sorted_by_device_and_account() -> None:
    """Each account that a window allows is a line; lines come by device, then account."""
    other = replace(DEVICE, id=DeviceId("d0"), name="a-first", groups=frozenset({"scanners"}))
    window = replace(WINDOW, account=None, groups=frozenset({"scanners"}))
    here = replace(with_windows(window), accounts=(SECOND_ACCOUNT, ACCOUNT))
    there = replace(here, device=other, accounts=(replace(ACCOUNT, device_id=other.id),))
    lines = [(one.device_name, one.account_name) for one in openings([here, there], DURING)]
    assert lines == [("a-first", "maint"), ("scan01", "maint"), ("scan01", "param")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: replace(f, supplier=replace(SUPPLIER, active=False)),
        lambda f: replace(f, person=replace(ALICE, active=False)),
        lambda f: replace(f, person=replace(ALICE, roles=frozenset({Role.SECURITY}))),
        lambda f: replace(f, device=replace(DEVICE, active=False)),
        lambda f: replace(f, device=replace(DEVICE, host_keys=())),
        lambda f: replace(f, device=None, accounts=()),
        lambda f: replace(f, accounts=(replace(ACCOUNT, vaulted=False),)),
        lambda f: replace(f, accounts=()),
        lambda f: replace(f, windows=(replace(WINDOW, state=WindowState.CANCELLED),)),
        lambda f: replace(f, windows=(replace(WINDOW, account="param"),)),
        lambda f: replace(f, interventions={}),
    ],
)
def test_what_would_be_refused_is_not_listed(spoil: Callable[[Facts], Facts]) -> None:
    """The menu offers no device that the decision would refuse for a fact known beforehand."""
    assert openings([spoil(FACTS)], DURING) == []


def test_nothing_is_listed_outside_the_window() -> None:
    """The menu is of what is open now: half-open, as the window."""
    assert openings([FACTS], OPENS - timedelta(microseconds=1)) == []
    assert openings([FACTS], CLOSES) == []
