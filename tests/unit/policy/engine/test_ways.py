"""Where a person may be expected to go: what her SSH configuration lists."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from policy.domain.access import Facts
from policy.domain.ids import DeviceId
from policy.domain.windows import WindowState
from policy.engine.ways import ways
from tests.support.facts import (
    ACCOUNT,
    CLOSES,
    DEVICE,
    DURING,
    FACTS,
    OPENS,
    SECOND_ACCOUNT,
    WINDOW,
    with_windows,
)


@pytest.mark.parametrize("at", [OPENS - timedelta(days=1), OPENS, DURING])
def test_a_device_is_listed_before_and_during_its_window(at: datetime) -> None:
    """What opens tomorrow belongs in a configuration as much as what is open."""
    (way,) = ways([FACTS], at)
    assert (way.device_name, way.account_names) == ("scan01", ("maint",))


def test_devices_and_accounts_are_sorted() -> None:
    """Devices come by name, with every account that the window allows."""
    other = replace(DEVICE, id=DeviceId("d0"), name="a-first", groups=frozenset({"scanners"}))
    window = replace(WINDOW, account=None, groups=frozenset({"scanners"}))
    here = replace(with_windows(window), accounts=(SECOND_ACCOUNT, ACCOUNT))
    there = replace(here, device=other, accounts=(replace(ACCOUNT, device_id=other.id),))
    found = [(way.device_name, way.account_names) for way in ways([here, there], DURING)]
    assert found == [("a-first", ("maint",)), ("scan01", ("maint", "param"))]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: replace(f, device=None, accounts=()),
        lambda f: replace(f, device=replace(DEVICE, active=False)),
        lambda f: replace(f, accounts=()),
        lambda f: replace(f, accounts=(replace(ACCOUNT, active=False),)),
        lambda f: replace(f, windows=()),
        lambda f: replace(f, windows=(replace(WINDOW, state=WindowState.PLANNED, approved_by=None),)),
        lambda f: replace(f, windows=(replace(WINDOW, state=WindowState.CANCELLED),)),
        lambda f: replace(f, windows=(replace(WINDOW, account="param"),)),
        lambda f: replace(f, interventions={}),
    ],
)
def test_what_no_approved_window_opens_is_not_listed(spoil: Callable[[Facts], Facts]) -> None:
    """A configuration tells of no device that she could not reach: it is no list of the hospital's network."""
    assert ways([spoil(FACTS)], DURING) == []


def test_what_is_over_is_not_listed() -> None:
    """A window that has ended leads nowhere any more."""
    assert ways([FACTS], CLOSES) == []
