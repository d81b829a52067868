"""What is an outage and what is none: patience, a store that comes and goes, and who was refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recorder.capture.reach import CATALOGUE, PROBE, Reach
from recorder.errors import CatalogRefuses, CatalogUnavailable, StoreFull, StoreUnreachable

START = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
DOWN = StoreUnreachable("no answer")


class House:
    """A reach, its clock and what it told."""

    def __init__(self, *, patience: float = 2.0, steady: float = 10.0) -> None:
        self.seconds = 1000.0
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.reach = Reach(
            lambda: START + timedelta(seconds=self.seconds - 1000),
            lambda name, facts: self.told.append((name, facts)),
            "gw-1",
            patience=patience,
            steady=steady,
            monotonic=lambda: self.seconds,
        )

    def wait(self, seconds: float) -> None:
        """Let time pass, and look often meanwhile."""
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds = min(end, self.seconds + 0.25)
            self.reach.look(self.seconds)

    @property
    def names(self) -> list[str]:
        """What was told, in order."""
        return [name for name, _ in self.told]


@pytest.fixture
def house() -> House:
    """A store that served."""
    made = House()
    made.reach.served(PROBE)
    made.wait(1)
    return made


def test_a_moment_is_no_outage(house: House) -> None:
    """A server that says once that it is busy, and then serves, alarms nobody and keeps nobody out."""
    house.reach.refused(DOWN, "s1")
    house.wait(1.5)
    house.reach.served("s1")
    house.wait(60)
    assert house.told == []
    assert house.reach.state(0, 0).unreachable_since is None


def test_what_was_refused_once_waits_for_the_answer_that_is_awaited(house: House) -> None:
    """One lost answer is judged by the next, however long that takes; two are an outage, whatever is asked meanwhile."""
    house.reach.refused(DOWN, PROBE)
    house.seconds += 5
    house.reach.look(house.seconds, asking=True)
    assert house.told == []
    house.reach.refused(DOWN, PROBE)
    house.reach.look(house.seconds, asking=True)
    assert house.names == ["alarm.store_unreachable"]


def test_an_answer_that_never_came_was_waited_for_already(house: House) -> None:
    """What took longer than patience to fail is an outage at once."""
    house.reach.refused(DOWN, PROBE, house.seconds - 4)
    house.wait(0.25)
    state = house.reach.state(0, 0)
    assert house.names == ["alarm.store_unreachable"]
    assert state.silent_seconds == pytest.approx(4.25)
    assert not house.reach.worth_trying


def test_a_store_is_back_once_it_is_steady(house: House) -> None:
    """After the first success nothing is told; after ten seconds of it the outage is over, with from and to."""
    house.reach.refused(DOWN, PROBE)
    house.wait(5)
    house.reach.served(PROBE)
    state = house.reach.state(0, 0)
    assert state.unreachable_since is not None
    assert state.silent_seconds == 0
    house.wait(9.75)
    assert house.names == ["alarm.store_unreachable"]
    house.wait(0.5)
    assert house.names == ["alarm.store_unreachable", "store.reachable"]
    facts = house.told[1][1]
    assert facts["node"] == "gw-1"
    assert facts["since"] < facts["until"]
    assert house.reach.state(0, 0).reachable_since is not None


def test_coming_and_going_is_one_outage(house: House) -> None:
    """Up and down every few seconds for ten minutes: one alarm, and every relapse counted."""
    for _ in range(100):
        house.reach.refused(DOWN, PROBE)
        house.wait(3)
        house.reach.served(PROBE)
        house.wait(3)
    assert house.names == ["alarm.store_unreachable"]
    house.wait(10)
    assert house.names == ["alarm.store_unreachable", "store.reachable"]
    assert house.told[1][1]["relapses"] == 99


def test_a_store_that_breaks_off_again_must_serve_for_longer(house: House) -> None:
    """Up for a quarter of a minute each time: every return must last twice as long, so that alarms are few."""
    for _ in range(40):
        house.reach.refused(DOWN, PROBE)
        house.wait(3)
        house.reach.served(PROBE)
        house.wait(15)
    assert house.names.count("alarm.store_unreachable") <= 3


def test_a_probe_does_not_speak_for_the_traces(house: House) -> None:
    """A disk that takes five bytes and no trace is full: only the refused trace's own success ends that."""
    house.reach.refused(StoreFull("no room"), "s1")
    house.wait(3)
    for _ in range(20):
        house.reach.served(PROBE)
        house.reach.served("s2")
        house.wait(1)
    state = house.reach.state(0, 0)
    assert state.unreachable_since is not None
    assert state.silent_seconds == pytest.approx(23)
    assert isinstance(state.error, StoreFull)
    house.reach.served("s1")
    house.wait(11)
    assert house.names == ["alarm.store_unreachable", "store.reachable"]


def test_a_trace_that_is_no_more_refuses_nothing(house: House) -> None:
    """Once a refused trace is neither live nor in the spool, it keeps the store from nobody."""
    house.reach.refused(DOWN, "s1")
    house.reach.refused(DOWN, "s2")
    house.reach.forget({"s2"})
    assert house.reach.refused_traces == {"s2"}
    house.reach.forget(set())
    house.wait(20)
    assert house.told == []


def test_the_catalogue_counts_as_the_store(house: House) -> None:
    """Without the database of traces nobody could find a trace: it is an outage too, and the store is still tried."""
    house.reach.refused(CatalogUnavailable("refused"), CATALOGUE)
    house.wait(3)
    assert house.told[0][1]["kind"] == "CatalogUnavailable"
    assert house.reach.worth_trying


def test_a_catalogue_that_refuses_is_told_by_its_own_name(house: House) -> None:
    """It answers: nothing opens all the same, and who reads the alarm looks at rights and schema, not at the network."""
    house.reach.refused(CatalogRefuses("no right"), CATALOGUE)
    house.wait(3)
    assert house.told[0][1]["kind"] == "CatalogRefuses"
    assert house.reach.state(0, 0.0).of_catalogue
