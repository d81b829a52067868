"""The general cut and its rehearsal, by the command line: a fresh code, nobody in until a person reopens, times kept."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from admin_api.alarms.belief import Belief
from admin_api.alarms.causes import Thresholds
from admin_api.alarms.watch import AlarmWatch
from admin_api.registered_keys import RegisteredKeys
from policy.domain.access import Denial
from policy.domain.exercises import DUE
from policy.domain.ids import HospitalId
from policy.services import exercises
from tests.support.api_house import House
from tests.support.console import signed_in, token_of
from tests.support.own_machine import Desk

WHY = "Attaque en cours"


def failed(house: House) -> set[str]:
    """The rules that keep alice out now."""
    answer = house.run(house.world.services.access.decide(house.world.request("alice", "scan01")))
    return {finding.key for finding in answer.failed} if isinstance(answer, Denial) else set()


def alarms(house: House, rssi: Desk) -> dict[str, dict[str, Any]]:
    """The open alarms by kind, once the journal has been read."""
    house.ingest_all()
    watch = AlarmWatch(
        house.world.services,
        house.feed,
        house.world.id,
        Thresholds(),
        house.clock,
        belief=Belief(house.context.auditors, RegisteredKeys(house.directory / "probes")),
    )

    async def work() -> None:
        while await watch.step():
            pass

    house.run(work())
    return {one["kind"]: one for one in rssi.json("alarms", "list")}


def test_everything_is_cut_until_somebody_reopens(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    """After a code every session is over and nobody gets in, by an urgent window of two persons neither, until somebody reopens; an alarm says who."""
    *_, rssi = desks
    services = house.world.services
    house.run(house.world.add_window())
    grant = house.run(house.world.grant())
    house.run(services.access.session_opened(grant, "gw1"))
    assert rssi.run("sessions", "cut", "--all", "--reason", WHY, typed="000000\n").exit_code != 0
    assert failed(house) == set()
    code = house.next_code("rssi")
    done = rssi.run("sessions", "cut", "--all", "--reason", WHY, typed=f"{code}\n")
    assert done.exit_code == 0, done.output
    assert "Nothing reopens by itself" in done.output
    assert isinstance(house.run(services.access.recheck([grant]))[grant.session_id], Denial)
    house.clock.advance(timedelta(minutes=5))
    urgent = house.run(house.world.add_window())
    assert failed(house) == {"finding.X35.closed"}
    alarm = alarms(house, rssi)["general_cut"]
    assert (alarm["severity"], alarm["over_at"]) == ("critical", None)
    assert house.world.people["rssi"].full_name in alarm["sentence"]
    assert WHY in alarm["sentence"]
    with house.client("rssi") as client:
        gates = client.get("/v1/gates").json()
        assert (gates["closed_by"], gates["reason"]) == (house.world.who("rssi"), WHY)
        assert client.post("/v1/cuts", json={"scope": "all", "reason": WHY}).status_code == 422
    assert rssi.run("sessions", "reopen", "--reason", "Fin de la crise").exit_code == 0
    assert failed(house) == set()
    assert alarms(house, rssi)["general_cut"]["over_at"] is not None
    again = rssi.run("sessions", "reopen", "--reason", "encore")
    assert (again.exit_code, "There is nothing to do." in again.output) == (1, True)
    house.run(services.windows.cancel(house.world.who("dsi"), house.world.id, urgent.id, reason="fini"))
    house.run(services.access.session_closed(grant.hospital_id, grant.session_id, "cut"))


def test_an_exercise_times_each_gateway_and_is_kept(
    house: House, desks: tuple[Desk, Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that answers has its seconds, one that is silent is named, a neighbour's is not; nothing is cut; the next is due later."""
    *_, rssi = desks
    services, world = house.world.services, house.world
    assert rssi.json("exercises", "list") == {"items": [], "due": True}
    for node in ("gw1", "gw2"):
        house.run(services.access.heartbeat(node))
    house.run(services.access.node_started(HospitalId("0" * 32), "elsewhere"))
    cursor, _ = house.run(services.access.changes_since(None))
    answered, seconds = asyncio.Event(), 0.0

    def monotonic() -> float:
        """Time passes from the answer on, a little at each look: a machine that stands still makes no gateway late."""
        nonlocal seconds
        seconds += 0.5 if answered.is_set() else 0.0
        return seconds

    monkeypatch.setattr(exercises, "time", SimpleNamespace(monotonic=monotonic))

    async def gateway() -> None:
        """Answer as the supervisor of gw1 does."""
        position, begun = cursor, ""
        while not begun:
            position, events = await services.access.changes_since(position)
            begun = next((one.subject for one in events if one.name == "exercise.begun"), "")
            await asyncio.sleep(0.01)
        await services.access.exercise_heard(world.id, begun, "gw1", 3)
        answered.set()

    async def both() -> Any:
        run = services.exercises.run(world.who("rssi"), world.id, "Plan blanc", within=2.5)
        return (await asyncio.gather(run, gateway()))[0]

    done = house.run(both())
    heard, silent = done.result["gateways"]
    assert (heard["node"], heard["sessions"], silent["node"], silent["seconds"]) == ("gw1", 3, "gw2", None)
    assert heard["seconds"] < 2.5
    listed = rssi.json("exercises", "list")
    assert ([one["reason"] for one in listed["items"]], listed["due"]) == (["Plan blanc"], False)
    assert "gw2" in rssi.run("exercises", "list").output
    house.clock.advance(DUE)
    assert rssi.json("exercises", "list")["due"] is True


def test_the_console_cuts_everything_reopens_and_rehearses(house: House) -> None:
    """The screen says whether everything is cut; cutting takes the form's reason, lifting too, and exercises are listed."""
    with signed_in(house, "rssi") as client:
        assert 'href="/console/general-cut">' in client.get("/console/sessions").text.partition("<main")[2]
        page = client.get("/console/general-cut").text
        assert "Cut everything" in page
        form = {"form_token": token_of(page), "reason": WHY}
        assert client.post("/console/general-cut", data=form).status_code == 303
        assert "nobody gets in" in client.get("/console/general-cut").text
        assert "general cut in force" in client.get("/console").text
        assert client.post("/console/general-cut/lift", data=form).status_code == 303
        assert "Cut everything" in client.get("/console/general-cut").text
