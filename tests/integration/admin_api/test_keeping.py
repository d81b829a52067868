"""How the trace store stands with each gateway, and what was replayed after its outages: API, command line, first screen."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from recorder.audit.events import SecurityEvent
from tests.support.api_house import House
from tests.support.console import signed_in
from tests.support.own_machine import Desk

ERROR = "the trace store does not answer"


def tell(house: House, name: str, node: str, **details: Any) -> None:
    """Let a gateway write into the journal."""
    house.clock.advance(timedelta(seconds=1))
    event = SecurityEvent(
        name=name,
        hospital_id=house.world.id,
        at=house.clock.now(),
        actor="recorder",
        details={"node": node, **details},
    )
    house.run(house.journal.append(event))


def gap(house: House, node: str, **more: Any) -> None:
    """Let a gateway report an outage that is over."""
    at = house.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    one = {"session_id": "5" * 32, "bytes": 4096, "records": 7, "segments": 1}
    told = {
        "since": at,
        "until": at,
        "shipped_at": at,
        "kind": "StoreUnreachable",
        "error": ERROR,
        "relapses": 2,
        "sessions": [one],
        "session_count": 1,
        "bytes": 4096,
        "records": 7,
        "segments": 1,
    }
    tell(house, "store.gap", node, **told, **more)


@pytest.fixture(autouse=True)
def mended(house: House) -> Iterator[None]:
    """Whatever a test broke is whole after it."""
    yield
    for node in ("gw-1", "gw-2"):
        tell(house, "store.reachable", node)
        tell(house, "alarm.spool_eased", node)


def test_the_status_follows_what_gateways_tell(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """A gateway without the store is named with since when and why, one that found it again is not; exit code 1 says so."""
    dsi, _, _ = desks
    tell(house, "alarm.store_unreachable", "gw-1", error=ERROR)
    tell(house, "alarm.store_unreachable", "gw-2", error=ERROR)
    tell(house, "alarm.spool_filling", "gw-1", percent=83)
    tell(house, "store.reachable", "gw-2")
    with house.client("dsi") as client:
        found = client.get("/v1/store").json()
    assert found["reachable"] is False
    assert {
        one["node"]: (one["reachable"], one["error"], one["spool_percent"]) for one in found["gateways"]
    } == {"gw-1": (False, ERROR, 83), "gw-2": (True, None, None)}
    shown = dsi.run("traces", "store")
    assert shown.exit_code == 1
    assert "83 %" in shown.stdout
    tell(house, "store.reachable", "gw-1")
    tell(house, "alarm.spool_eased", "gw-1")
    assert dsi.run("traces", "store").exit_code == 0
    assert dsi.json("traces", "store")["reachable"] is True


def test_gap_reports_are_listed_with_the_entry_that_proves_them(
    house: House, desks: tuple[Desk, Desk, Desk]
) -> None:
    """From when to when, what came late and what is missing, the newest first, by the chain's writer and number."""
    _, _, rssi = desks
    gap(house, "gw-1")
    gap(house, "gw-2", missing=["6" * 32])
    with house.client("rssi") as client:
        newest, older = client.get("/v1/store/gaps").json()["items"][:2]
        entries = client.get("/v1/journal", params={"name": "store.gap"}).json()["items"]
    assert (newest["node"], newest["missing"]) == ("gw-2", ["6" * 32])
    assert (older["node"], older["missing"], older["records"]) == ("gw-1", [], 7)
    assert older["sessions"] == [{"session_id": "5" * 32, "bytes": 4096, "records": 7, "segments": 1}]
    assert (newest["writer"], newest["seq"], newest["digest"]) == tuple(
        entries[0][name] for name in ("writer", "seq", "digest")
    )
    listed = rssi.json("traces", "gaps", "--limit", "1")
    assert [one["node"] for one in listed] == ["gw-2"]
    assert "4096" in rssi.run("traces", "gaps").stdout


def test_gap_reports_are_for_who_may_read_the_journal(house: House) -> None:
    """A planner sees that the store is away, and not whose sessions waited; a cursor of nobody's is refused."""
    with house.client("dsi") as planner, house.client("rssi") as security:
        assert planner.get("/v1/store").status_code == 200
        refused = security.get("/v1/store/gaps", params={"after": "of nobody's"})
        assert refused.status_code == 422


def test_the_first_screen_shows_a_store_that_is_away(house: House) -> None:
    """Signed in, the hospital's staff reads at once that gateways are without the store, and how full a spool is."""
    with signed_in(house, "rssi", "fr") as client:
        assert "sans le dépôt des traces" not in client.get("/console").text
        tell(house, "alarm.store_unreachable", "gw-1", error="<b>" + ERROR)
        tell(house, "alarm.spool_filling", "gw-1", percent=91)
        page = client.get("/console").text
    assert "sans le dépôt des traces" in page
    assert "/console/journal?name=alarm.store_unreachable" in page
    assert '<p class="number">91</p>' in page
    assert "<b>" + ERROR not in page


def test_a_window_says_how_long_it_outlasts_the_store(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """Within bounds, and for a télémaintenance alone; who approves it sees it."""
    dsi, _, _ = desks
    plan = ("windows", "plan", "--person", "alice", "--device", "scan01", "--supplier", "Imagix")
    when = (
        "--channel",
        "shell",
        "--purpose",
        "Micrologiciel",
        "--start",
        "2027-03-01 20:00",
        "--end",
        "22:00",
    )
    planned = dsi.json(*plan, *when, "--outage-grace", "1800")
    assert planned["window"]["outage_grace_seconds"] == 1800
    shown = dsi.run("windows", "show", planned["window"]["id"][:8])
    assert "1800 s" in shown.stdout
    short = dsi.run(*plan, *when, "--outage-grace", "30")
    assert (short.exit_code, "--outage-grace" in short.stderr) == (1, True)
    spooled = dsi.run(*plan, *when, "--kind", "assistance", "--outage-grace", "1800")
    assert (spooled.exit_code, "--outage-grace" in spooled.stderr) == (1, True)
    assert dsi.json(*plan, *when)["window"]["outage_grace_seconds"] == 60
