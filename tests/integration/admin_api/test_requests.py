"""What a technician asked for, on the hospital's side: read with its why, answered with words that she reads."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from policy.domain.interventions import InterventionKind
from policy.domain.reports import Goal
from policy.domain.windows import Channel, Window
from tests.support.api_house import House, open_house
from tests.support.own_machine import Desk


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house for each test: what waits does not mix."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


def _ask(house: House, days: int = 90) -> Window:
    """Ask for two hours in some days, as alice does over SSH."""
    start = house.clock.now() + timedelta(days=days)
    return house.run(
        house.world.services.requests.ask(
            house.world.who("alice"),
            house.world.id,
            device_name="scan01",
            kind=InterventionKind.REMOTE_MAINTENANCE,
            purpose="Refaire l'étalonnage",
            start=start,
            end=start + timedelta(hours=2),
            channels=[Channel.SHELL],
        )
    )


def test_what_waits_is_listed_however_far_and_answered_over_the_api(house: House) -> None:
    """``state=planned`` lists a request of next season; a refusal needs its words, and is final."""
    asked = _ask(house)
    with house.client("dsi") as dsi:
        [item] = dsi.get("/v1/windows", params={"state": "planned"}).json()["items"]
        assert (item["id"], item["requested_by"]) == (asked.id, house.world.who("alice"))
        assert item["purpose"] == "Refaire l'étalonnage"
        assert len(item["occurrences"]) == 1
        path = f"/v1/windows/{asked.id}/refuse"
        assert dsi.post(path, json={"version": 1}).status_code == 422
        assert dsi.post(path, json={"version": 2, "reason": "Non"}).status_code == 409
        window = dsi.post(path, json={"version": 1, "reason": "Bloc en service"}).json()["window"]
        assert (window["state"], window["answer"]) == ("refused", "Bloc en service")
        assert dsi.get("/v1/windows", params={"state": "planned"}).json()["items"] == []
    with house.client("denis") as denis:
        assert denis.post(f"/v1/windows/{asked.id}/approve", json={"version": 2}).status_code == 409
    house.ingest_all()
    with house.client("rssi") as rssi:
        events = {item["name"] for item in rssi.get("/v1/journal").json()["items"]}
    assert {"window.requested", "window.refused", "intervention.refused"} <= events


def test_the_command_line_reads_requests_and_answers_them(house: House, tmp_path: Path) -> None:
    """``windows requests`` shows who asks and why; ``refuse`` and ``approve`` answer by the first digits."""
    first, second = _ask(house, 1), _ask(house, 2)
    denis = Desk(house, tmp_path, "denis")
    shown = denis.run("windows", "requests")
    assert "alice" in shown.stdout
    assert "Refaire l'étalonnage" in shown.stdout
    done = denis.run("windows", "refuse", first.id[:10], "--reason", "Bloc en service")
    assert done.exit_code == 0, done.output
    assert "Bloc en service" in done.output
    assert denis.run("windows", "approve", second.id[:10]).exit_code == 0
    assert denis.json("windows", "requests") == []


def test_who_approves_sees_all_that_is_asked_for(house: House, tmp_path: Path) -> None:
    """``windows requests`` names the person, the device and every right, ports included, on a narrow screen too."""
    dsi, denis = Desk(house, tmp_path, "dsi"), Desk(house, tmp_path, "denis")
    planned = dsi.run(
        "windows", "plan", "--supplier", "Imagix", "--person", "alice", "--device", "scan01", "--start", "now",
        "--end", "+2h", "--forward", "443=console", "--purpose", "Console web",
    )  # fmt: skip
    assert planned.exit_code == 0, planned.output
    denis.environment["COLUMNS"] = "80"
    told = denis.run("windows", "requests").stdout.split()
    assert {"dsi", "alice", "scan01", "-L", "443", "(console)", "Console", "web"} <= set(told)
    assert "…" not in "".join(told)


def test_extensions_are_granted_and_refused_in_words(house: House, tmp_path: Path) -> None:
    """``extensions`` lists why more time is asked for; a refusal without words is turned back."""
    extend = house.world.services.requests.extend
    ask: dict[str, Any] = {"length": timedelta(minutes=15), "reason": "Le dernier essai n'est pas fini"}
    denis = Desk(house, tmp_path, "denis")
    asked = house.run(extend(house.world.who("alice"), house.world.id, **ask)).extension
    assert "Le dernier essai n'est pas fini" in denis.run("extensions", "list").stdout
    with house.client("denis") as client:
        bare = client.post(f"/v1/extensions/{asked.id}/decide", json={"approve": False})
    assert bare.status_code == 422
    assert denis.run("extensions", "refuse", asked.id[:10], "--reason", "Le bloc reprend").exit_code == 0
    asked = house.run(extend(house.world.who("alice"), house.world.id, **ask)).extension
    decided = denis.json("extensions", "grant", asked.id[:10])
    assert decided["approved"] is True
    assert denis.json("extensions", "list") == []


def test_a_report_is_read_and_acknowledged(house: House, tmp_path: Path) -> None:
    """What was filed over SSH is listed, shown and acknowledged by the command line; then it is final."""
    world, services = house.world, house.world.services

    async def work() -> None:
        await services.access.heartbeat("n1")
        grant = await world.grant()
        await services.access.session_opened(grant, "n1")
        await services.access.session_closed(grant.hospital_id, grant.session_id, "left")

    house.run(work())
    denis = Desk(house, tmp_path, "denis")
    [due] = denis.json("reports", "list", "--state", "due")
    assert denis.run("reports", "acknowledge", due["intervention_id"][:12]).exit_code == 1
    house.run(
        services.reports.file(
            world.who("alice"), world.id, goal=Goal.REACHED, what="Version 4.2 posée", device_name="scan01"
        )
    )
    shown = denis.run("reports", "show", due["intervention_id"][:12])
    assert "Version 4.2 posée" in shown.stdout
    assert denis.json("reports", "acknowledge", due["intervention_id"][:12])["state"] == "acknowledged"
    assert denis.json("reports", "list", "--state", "filed") == []
