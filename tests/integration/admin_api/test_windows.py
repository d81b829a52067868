"""Planning through the API: four eyes, the nights the clocks change, and windows changed while they are open."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.api_house import House, open_house


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house for each test: windows and cuts do not mix."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def _plan(house: House, client: httpx.Client, **changes: Any) -> httpx.Response:
    body = {
        "kind": "remote_maintenance",
        "supplier_id": house.world.supplier.id,
        "people": [house.world.who("alice")],
        "devices": [house.world.device.id],
        "channels": ["sftp-up"],
        "purpose": "Mise à jour 4.2",
        "start": "2026-11-24 20:00",
        "end": "2026-11-24 22:00",
    }
    return client.post("/v1/windows", json=body | changes)


def test_who_asks_does_not_approve(house: House) -> None:
    """The requester's own approval is refused; somebody else's opens it; who moves it becomes its requester."""
    with house.client("dsi") as dsi, house.client("denis") as denis:
        window = _plan(house, dsi).json()["window"]
        path = f"/v1/windows/{window['id']}"
        assert dsi.post(f"{path}/approve", json={"version": 1}).status_code == 403
        approved = denis.post(f"{path}/approve", json={"version": window["version"]})
        assert approved.json()["window"]["state"] == "approved"
        times = {"start": "2026-11-25 20:00", "end": "2026-11-25 21:00"}
        version = approved.json()["window"]["version"]
        moved = denis.post(f"{path}/move", json={"version": version, **times}).json()["window"]
        assert (moved["state"], moved["occurrences"][0]["start_local"]) == ("planned", "2026-11-25 20:00")
        assert denis.post(f"{path}/approve", json={"version": moved["version"]}).status_code == 403


def test_what_changed_since_it_was_looked_at_is_not_approved(house: House) -> None:
    """An approval names the version looked at; after a move it is a conflict."""
    with house.client("dsi") as dsi, house.client("denis") as denis:
        window = _plan(house, dsi).json()["window"]
        path = f"/v1/windows/{window['id']}"
        times = {"start": "2026-11-25 03:00", "end": "2026-11-25 09:00"}
        dsi.post(f"{path}/move", json={"version": window["version"], **times}).raise_for_status()
        refused = denis.post(f"{path}/approve", json={"version": window["version"]})
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("field", "times", "choices", "answer", "utc"),
    [
        (
            "start",
            {"start": "2027-10-31 02:30", "end": "2027-10-31 05:00"},
            ["first", "second"],
            {"start_fold": "second"},
            "2027-10-31T01:30:00Z",
        ),
        (
            "end",
            {"start": "2027-10-31 00:30", "end": "2027-10-31 02:30"},
            ["first", "second"],
            {"end_fold": "first"},
            "2027-10-31T00:30:00Z",
        ),
        (
            "start",
            {"start": "2027-03-28 02:30", "end": "2027-03-28 05:00"},
            ["shift"],
            {"shift": True},
            "2027-03-28T01:30:00Z",
        ),
    ],
)
def test_a_time_of_the_night_the_clocks_change_is_asked_back(
    house: House, field: str, times: dict[str, str], choices: list[str], answer: dict[str, Any], utc: str
) -> None:
    """A local time that exists twice or never is refused, naming the field and the choices; a choice settles it."""
    with house.client("dsi") as client:
        refused = _plan(house, client, **times)
        assert refused.status_code == 422
        problem = refused.json()
        assert problem["type"].endswith("ambiguous-local-time")
        assert [item["field"] for item in problem["errors"]] == [field]
        assert problem["choices"] == choices
        planned = _plan(house, client, **times, **answer)
        assert planned.status_code == 201, planned.text
        assert planned.json()["window"]["occurrences"][0][field] == utc


def test_a_weekly_window_keeps_its_hour_through_the_year(house: House) -> None:
    """Every Tuesday at 20:00 stays 20:00 in Paris after the clocks change, and the exception is left out."""
    with house.client("dsi") as client:
        recurrence = {"rule": "FREQ=WEEKLY;BYDAY=TU", "exceptions": ["2026-12-01 20:00"]}
        window = _plan(house, client, recurrence=recurrence).json()["window"]
    locals_ = [one["start_local"] for one in window["occurrences"]]
    assert all(text.endswith(" 20:00") for text in locals_)
    assert "2026-12-01 20:00" not in locals_
    hours = {one["start"][11:16] for one in window["occurrences"]}
    assert hours == {"19:00", "18:00"}


def test_the_planner_is_told_that_a_shell_makes_the_direction_moot(house: House) -> None:
    """A shell with one direction of files brings a warning, in words, and refuses nothing."""
    with house.client("dsi") as client:
        planned = _plan(house, client, channels=["shell", "sftp-up"])
    assert planned.status_code == 201
    warnings = planned.json()["warnings"]
    assert "warning.shell-makes-direction-moot" in [one["key"] for one in warnings]
    assert all(not one["message"].startswith("warning.") for one in warnings)


def test_an_open_window_is_extended_by_another_and_shortened_by_one(house: House) -> None:
    """More time needs somebody else than the requester, at once or by a decision; less time does not."""
    path = f"/v1/windows/{house.world.window.id}"
    with house.client("dsi") as dsi, house.client("denis") as denis:
        first = dsi.get(path).json()["occurrences"][0]
        assert dsi.post(f"{path}/extend", json={"minutes": 30}).status_code == 403
        asked = dsi.post(f"{path}/extensions", json={"minutes": 30}).json()
        waiting = [item["id"] for item in denis.get("/v1/extensions").json()["items"]]
        assert waiting == [asked["id"]]
        own = dsi.post(f"/v1/extensions/{asked['id']}/decide", json={"approve": True})
        assert own.status_code == 403
        denis.post(f"/v1/extensions/{asked['id']}/decide", json={"approve": True}).raise_for_status()
        assert dsi.get(path).json()["occurrences"][0]["end"] == asked["end"] != first["end"]
        longer = denis.post(f"{path}/extend", json={"minutes": 10}).json()["window"]
        shorter = dsi.post(f"{path}/shorten", json={"minutes": 10}).json()["window"]
        assert longer["occurrences"][0]["end"] > asked["end"] == shorter["occurrences"][0]["end"]


def test_a_cancelled_window_opens_nothing_and_why_says_so(house: House) -> None:
    """``why`` allows alice while her window is open, and names O3 once it is cancelled."""
    query = {"person": "alice", "device": "scan01", "from": "127.0.0.1"}
    with house.client("dsi") as client:
        assert client.get("/v1/why", params=query).json()["allowed"] is True
        reason = {"reason": "Reportée"}
        client.post(f"/v1/windows/{house.world.window.id}/cancel", json=reason).raise_for_status()
        refused = client.get("/v1/why", params=query).json()
        failed = [finding["code"] for finding in refused["findings"] if not finding["held"]]
        assert (refused["allowed"], failed) == (False, ["O3"])
        assert {"C2", "T9"} <= {finding["code"] for finding in refused["findings"] if finding["held"]}
        assert client.get("/v1/why", params=query | {"from": "junk"}).json()["errors"][0]["field"] == "from"
        assert client.get("/v1/why", params=query | {"at": "tomorrow"}).json()["errors"][0]["field"] == "at"
        assert client.get("/v1/why", params=query | {"person": "nobody"}).status_code == 404


def test_a_session_is_listed_and_cut(house: House) -> None:
    """A live session is on the list; cutting it makes its grant fall, and the list of past events keeps the reason."""
    access = house.world.services.access
    grant = house.run(house.world.grant())
    house.run(access.node_started(house.world.id, "gateway-1"))
    house.run(access.session_opened(grant, "gateway-1"))
    house.clock.advance(timedelta(seconds=1))
    with house.client("rssi") as client:
        listed = client.get("/v1/sessions").json()["items"]
        assert [(one["id"], one["person_login"], one["state"]) for one in listed] == [
            (grant.session_id, "alice", "live")
        ]
        found = client.get("/v1/sessions", params={"prefix": grant.session_id[:6]}).json()["items"]
        assert [one["id"] for one in found] == [grant.session_id]
        cut = client.post(f"/v1/sessions/{grant.session_id}/cut", json={"reason": "Doute"})
        assert cut.json()["scope"] == "session"
        answer = house.run(access.recheck([grant]))[grant.session_id]
        assert type(answer).__name__ == "Denial"
        assert client.post(f"/v1/sessions/{'f' * 32}/cut", json={"reason": "Doute"}).status_code == 404
