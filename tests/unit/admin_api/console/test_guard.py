"""What stands in front of the pages: which paths are theirs, under which names, how often."""

from datetime import UTC, datetime, timedelta

import pytest

from admin_api.console.guard import is_page, known_hosts
from admin_api.console.pace import Pace

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "path", ["/", "/enrol", "/enrol/key", "/account", "/account/x", "/i/x", "/static/pages.css"]
)
def test_the_pages_own_their_paths(path: str) -> None:
    """Everything under the pages' own beginnings is answered by them."""
    assert is_page(path)


@pytest.mark.parametrize(
    "path", ["/v1/enrolment/password", "/openapi.json", "/enrolx", "/I/x", "//enrol/x", ""]
)
def test_everything_else_is_the_api_s(path: str) -> None:
    """No path of the API, and none that only looks like a page's, escapes the API's own gate."""
    assert not is_page(path)


def test_the_pages_answer_under_their_own_names() -> None:
    """Their address, this machine and the names that are set: nothing else."""
    found = known_hosts("https://Bastion.Hospital.example:8443", ["gw1"])
    assert found == {"bastion.hospital.example", "gw1", "localhost", "127.0.0.1", "::1"}
    assert "" not in known_hosts(None, [""])


def test_a_pace_is_kept_by_source_and_forgotten_with_time() -> None:
    """Two events a minute: the third waits for the first to be a minute old, and others are not held up."""
    pace = Pace(2, timedelta(minutes=1))
    for second in (0, 20):
        assert pace.wait("a", NOON + timedelta(seconds=second)) is None
        pace.count("a", NOON + timedelta(seconds=second))
    assert pace.wait("a", NOON + timedelta(seconds=30)) == timedelta(seconds=30)
    assert pace.wait("b", NOON + timedelta(seconds=30)) is None
    assert pace.wait("a", NOON + timedelta(seconds=60)) is None


def test_the_memory_of_sources_is_bounded() -> None:
    """A flood of addresses costs no more than the memory allows: the one heard of longest ago is forgotten."""
    pace = Pace(1, timedelta(minutes=1))
    for number in range(10_001):
        pace.count(str(number), NOON)
    assert pace.wait("0", NOON) is None
    assert pace.wait("10000", NOON) is not None
