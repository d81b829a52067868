"""When sessions are looked at for what their own limits say: warned and ended in time, and left alone in between."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from gateway.server.banners import Wording
from gateway.session.idle import IdleMeter
from gateway.session.limits import REST_SECONDS, Limits
from gateway.session.live import Session
from gateway.session.moved import STEP_BYTES
from gateway.session.reasons import EndReason
from policy.clock import ManualClock
from tests.support.facts import CLOSES, DURING, HOSPITAL, make_grant

MINUTE = timedelta(minutes=1)


class Held:
    """A session under a grant until CLOSES, and whoever looks at it: what was said is in ``told``."""

    def __init__(self) -> None:
        self.clock = ManualClock(DURING)
        self.seconds = 0.0
        self.session = Session(make_grant(), IdleMeter(0.0), lambda: self.seconds)
        self.session.recording = cast(Any, object())
        self.session.connections.append(cast(Any, object()))
        self.told: list[str] = []
        self._limits = Limits(Wording(HOSPITAL), self.clock, lambda: self.seconds)

    def look(self, after: timedelta = timedelta(0), *, set_by: timedelta = timedelta(0)) -> list[str]:
        """Return what is said *after* so much time, in which the wall clock was set by so much more."""
        self.seconds += after.total_seconds()
        self.clock.advance(after + set_by)
        self.told.clear()
        self._limits.look([self.session], self)
        return self.told

    def warn(self, session: Session, text: str) -> None:
        """She is warned."""
        self.told.append("warned")

    def end(self, session: Session, reason: EndReason) -> None:
        """Her session is ended."""
        self.told.append(reason.value)

    def note(self, name: str, session: Session, facts: Mapping[str, object]) -> None:
        """The journal is told."""
        self.told.append(name)


@pytest.fixture
def held() -> Held:
    """One session, looked at once."""
    found = Held()
    assert found.look() == []
    return found


def test_a_session_that_nothing_awaits_is_left_alone_for_a_while(held: Held) -> None:
    """What left the device is told at the next look, which comes after some seconds and not four times in each."""
    held.session.moved.output(STEP_BYTES)
    assert held.look(timedelta(seconds=0.25)) == []
    assert held.look(timedelta(seconds=REST_SECONDS)) == ["session.moved"]


def test_a_clock_that_was_set_forward_ends_whom_it_takes_the_time_from_at_once(held: Held) -> None:
    """However long a session was to be left alone, the step is seen at the next look."""
    assert held.look(timedelta(seconds=0.25), set_by=CLOSES - DURING) == [EndReason.WINDOW.value]


def test_silence_is_warned_of_and_ended_to_the_second(held: Held) -> None:
    """A session is looked at again when its warning is due, however short before that it was looked at."""
    limit = held.session.obligations.idle_limit
    assert held.look(limit - MINUTE - timedelta(seconds=1)) == []
    assert held.look(timedelta(seconds=1)) == ["warned"]
    assert held.look(MINUTE - timedelta(seconds=0.25)) == []
    assert held.look(timedelta(seconds=0.25)) == [EndReason.IDLE.value]


def test_the_window_s_end_is_warned_of_to_the_second(held: Held) -> None:
    """Ten minutes before it she is told, whenever she was looked at last."""
    held.session.meter.life((CLOSES - DURING).total_seconds())
    assert held.look(CLOSES - DURING - 10 * MINUTE - timedelta(seconds=1)) == []
    assert held.look(timedelta(seconds=1)) == ["warned"]
    assert held.look(timedelta(seconds=1)) == []
    assert held.look(10 * MINUTE - timedelta(seconds=1)) == [EndReason.WINDOW.value]
