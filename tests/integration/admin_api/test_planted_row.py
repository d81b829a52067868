"""A row of the catalogue that a gateway which was taken over planted: shown, told of, and nobody else's trouble."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from admin_api.verification import shelf_of
from recorder.store.tables import sessions_closed, sessions_opened
from recorder.trace.place import TracePlace
from tests.support.api_house import House, open_house
from tests.support.console import signed_in
from tests.support.own_machine import Desk
from tests.support.recorded import record, speak

pytestmark = pytest.mark.integration
WHY = "Plainte 2026-114"
PLANTED = {"malformed": "5" * 32, "elsewhere": "6" * 32, "another's": "7" * 32, "path": "../../etc"}
NAMELESS = f"altered-{hashlib.sha256(b'../../etc').hexdigest()[:32]}"
SHOWN = [*list(PLANTED.values())[:-1], NAMELESS]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of its own: its catalogue is planted with rows."""
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="module")
def good(house: House) -> str:
    """An ordinary session, beside one row of each kind that has its columns and another header."""
    session = record(house, lambda recording: speak(recording, "bonjour\r\n"))

    async def plant() -> None:
        database = house.catalog.database
        async with database.write() as connection:
            tables = (sessions_opened, sessions_closed)
            opened, closed = [
                dict((await connection.execute(select(table))).mappings().one()) for table in tables
            ]
            headers = {
                "malformed": "{",
                "elsewhere": opened["header"].replace(house.world.id, "f" * 32),
                "another's": opened["header"],
                "path": opened["header"],
            }
            for kind, name in PLANTED.items():
                ids: dict[str, Any] = {"session_id": name}
                await connection.execute(insert(sessions_opened), opened | ids | {"header": headers[kind]})
                await connection.execute(insert(sessions_closed), closed | ids)

    house.run(plant())
    return session


def test_every_list_has_it_and_says_that_it_is_altered(house: House, good: str) -> None:
    """By the API, by the screens, of who was there: the ordinary session is there as ever."""
    with house.client("rssi") as client:
        traces = client.get("/v1/traces").json()["items"]
        past = client.get("/v1/sessions", params={"state": "past"}).json()["items"]
        there = client.get("/v1/presence", params={"at": house.clock.now().isoformat()})
    altered = {one["id"]: one["altered"] for one in traces}
    assert altered == {good: False} | dict.fromkeys(SHOWN, True)
    assert {one["id"] for one in past} == altered.keys()
    assert there.status_code == 200, there.text
    with signed_in(house, "rssi") as browser:
        listed = browser.get("/console/sessions").text
        assert listed.count("Altered: its entry") == len(PLANTED)
        for name in SHOWN[:-1]:
            assert "Altered: its entry" in browser.get(f"/console/sessions/{name}").text
        assert "Altered: its entry" not in browser.get(f"/console/sessions/{good}").text


def test_the_command_line_believes_nothing_of_it(house: House, good: str, tmp_path: Path) -> None:
    """The list and one recording's page say that the row is altered, and not why its header says that it ended."""
    rssi = Desk(house, tmp_path, "rssi")
    listed = {item["id"]: item["altered"] for item in rssi.json("traces", "list")}
    assert listed == {good: False, **dict.fromkeys(SHOWN, True)}
    assert rssi.run("traces", "list").output.count("altered in the catalogue") == len(SHOWN)
    assert "altered in the catalogue" in rssi.run("traces", "show", PLANTED["malformed"]).output


def test_search_package_and_plan_go_on_without_it(
    house: House, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said of the ordinary session is found and proved; the planted rows are failed, and stay as evidence."""
    while house.run(house.search.step(house.world.id)):
        pass
    with house.client("rssi") as client:
        found = client.get("/v1/search", params={"q": "bonjour", "reason": WHY}).json()
        assert [one["session_id"] for one in found["items"]] == [good]
        assert found["progress"]["failed"] == len(PLANTED)
        now, day = house.clock.now(), timedelta(days=1)
        period = {"from": (now - day).isoformat(), "to": (now + day).isoformat()}
        for whose in ({"session": [good, *SHOWN[:-1]]}, {"person": "alice", **period}):
            answer = client.get("/v1/evidence", params={"reason": WHY, **whose})
            assert answer.status_code == 200, answer.text
    asked: list[str] = []
    objects = house.context.traces.objects

    def told(place: TracePlace) -> Any:
        asked.append(place.folder)
        return objects(place)

    monkeypatch.setattr(house.context.traces, "objects", told)
    plan = house.run(house.context.keeper.plan(timedelta(days=4000)))
    stays = {one.trace.header.session_id: one.stays for one in plan.planned}
    assert {name: stays[name] for name in SHOWN} == dict.fromkeys(SHOWN, "altered")
    assert [Path(one).name for one in asked] == [good]


def test_the_verification_names_each_and_looks_into_no_other_hospital(
    house: House, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a finding, of which the alarm is raised under the hospital of its column; the ordinary one is none."""
    looked: set[str] = set()
    opened = house.context.traces.opened

    def told(place: TracePlace) -> Any:
        looked.add(f"{place.hospital_id} {place.session_id}")
        return opened(place)

    monkeypatch.setattr(house.context.traces, "opened", told)
    shelf = house.run(shelf_of(house.context, house.world.id))
    found = house.run(house.proofs.verify_store(shelf))
    named = {(one.name, one.what) for one in found.findings if one.place == "catalogue"}
    whats = dict(zip(PLANTED.values(), ("format", "column", "column", "column"), strict=True))
    assert named == set(whats.items())
    assert looked == {f"{house.world.id} {name}" for name in (good, *SHOWN)}
