"""What ``windows`` shows of a window that comes again."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.server.commands.voice import Voice
from gateway.server.commands.windows import MOST, next_ones
from policy.domain.ids import OccurrenceId, WindowId
from policy.domain.interventions import InterventionKind
from policy.domain.requests import OwnWindow
from policy.domain.windows import Occurrence, WindowState
from policy.i18n import load
from tests.support.facts import ALICE, DURING, HOSPITAL, WINDOW

WEEK = timedelta(days=7)


def _own(start: datetime) -> OwnWindow:
    one = Occurrence(
        id=OccurrenceId(start.isoformat()),
        window_id=WindowId(WINDOW.id),
        start=start,
        end=start + timedelta(hours=2),
    )
    return OwnWindow(
        window=WINDOW,
        occurrence=one,
        kind=InterventionKind.REMOTE_MAINTENANCE,
        devices=("scan01",),
        asked_by_her=False,
        extensions=(),
        deciders={},
    )


def test_of_a_window_that_comes_every_week_the_next_opening_is_shown_and_the_others_counted() -> None:
    """What has been, what is open and the next one stay rows; a year of Tuesdays is one line below."""
    every = [_own(DURING + number * WEEK) for number in (-1, 0, 1, 2, 3)]
    shown, again = next_ones(every, DURING)
    assert shown == every[:3]
    assert again == {WINDOW.id: every[3:]}
    told = Voice(HOSPITAL, load("gateway")).say(
        ALICE, "windows.again", id="3f2a", count=2, end=every[-1].occurrence.end
    )
    assert told.replace("\N{NO-BREAK SPACE}", " ").startswith("3f2a : 2 autres ouvertures, la dernière jusqu")
    assert next_ones(every[:3], DURING) == (every[:3], {})


@pytest.mark.parametrize("state", [one for one in WindowState if one.over])
def test_of_a_window_that_is_over_no_opening_comes_again(state: WindowState) -> None:
    """A cancelled or refused weekly window is one row, and nothing says that it has more openings."""
    over = replace(WINDOW, state=state)
    every = [replace(_own(DURING + number * WEEK), window=over) for number in (1, 2, 3)]
    assert next_ones(every, DURING) == (every[:1], {})


def test_of_a_window_that_is_not_shown_nothing_is_said_below() -> None:
    """The openings after one that has no row any more are not told by an identifier that nobody sees."""
    late = [_own(DURING + number * WEEK) for number in (1, 2, 3)]
    before = [_own(DURING - timedelta(hours=number)) for number in range(MOST, 0, -1)]
    assert next_ones([*before, *late], DURING) == ([*before, late[0]], {})
    assert next_ones([*before[1:], *late], DURING) == ([*before[1:], late[0]], {WINDOW.id: late[1:]})
