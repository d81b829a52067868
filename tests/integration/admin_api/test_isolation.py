"""Two hospitals in one installation: an identifier of the other is not found, whatever is asked of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import httpx
import pytest

from admin_api.app import routes
from tests.support.api_house import House
from tests.support.furnished import furnish
from tests.support.policy_world import World, make_world
from tests.support.recorded import record, speak
from tests.support.self_audits import keep, report

IDENTIFIER = re.compile(r"[0-9a-f]{31}\w")
NOT_OF_A_HOSPITAL = {"kind", "name"}
"""Of a path: a text's kind, and a key that this console opens."""


@pytest.fixture(scope="module")
def other(house: House) -> Iterator[World]:
    """A second hospital in the same databases."""
    world = house.run(
        make_world(
            f"sqlite:///{house.directory}/policy.db",
            house.clock,
            keyring_directory=house.directory / "keyring",
            hospital="CH de l'Autre",
            further=True,
        )
    )
    yield world
    house.run(world.close())


@pytest.fixture(scope="module")
def theirs(house: House, other: World) -> Mapping[str, str]:
    """Identifiers of the other hospital's, by the names that paths and bodies give them: one of everything."""
    rows = house.run(furnish(other))
    there = replace(house, world=other, proofs=replace(house.proofs, hospital_id=other.id))
    audit = report(there)
    keep(there, audit)
    recorded = record(there, lambda one: speak(one, "secret of theirs\r\n"))
    named = {name: row for name, row in rows.items() if isinstance(row, str) and IDENTIFIER.fullmatch(row)}
    return named | {"hospital_id": other.id, "audit_id": audit.id, "trace_id": recorded}


@pytest.fixture(scope="module")
def staff(house: House) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """The first hospital's administrator and its security referent: between them they may call everything."""
    with house.client("dsi") as dsi, house.client("rssi") as rssi:
        yield dsi, rssi


@pytest.fixture(scope="module")
def operations() -> list[tuple[str, str, dict[str, Any], set[str]]]:
    """Every route: method, path, the example of its body, and the queries it demands."""
    found = []
    for method, path, route in routes():
        body: dict[str, Any] = {}
        if route.body_field is not None:
            wanted = route.body_field.field_info.annotation
            shape: Any = next((one for one in get_args(wanted) if one is not type(None)), wanted)
            body = shape.model_json_schema()["examples"][0]
        queries = {one.alias for one in route.dependant.query_params if one.field_info.is_required()}
        found.append((method, path, body, queries))
    return found


def answer(
    staff: tuple[httpx.Client, httpx.Client], method: str, path: str, body: dict[str, Any], queries: set[str]
) -> httpx.Response:
    """Return what the one is told who may ask."""
    params = dict.fromkeys(queries, "Incident 42")
    for client in staff:
        told = client.request(method, path, params=params, json=body or None)
        if told.status_code != 403:
            break
    return told


def test_nothing_of_the_other_hospital_can_be_read_or_changed(
    house: House,
    other: World,
    theirs: Mapping[str, str],
    staff: tuple[httpx.Client, httpx.Client],
    operations: list[tuple[str, str, dict[str, Any], set[str]]],
) -> None:
    """Every route whose path takes an identifier answers for the other hospital's as for nobody's, and changes nothing there."""
    nobody_s = dict.fromkeys(theirs, "f" * 32)
    before = house.run(other.services.access.changes_since(0))
    refused, wrong = 0, []
    for method, path, body, queries in operations:
        if not set(re.findall(r"\{(\w+)\}", path)) - NOT_OF_A_HOSPITAL:
            continue
        told, unknown = (
            answer(staff, method, path.format(kind="charter", name="none", **names), body, queries)
            for names in (theirs, nobody_s)
        )
        refused += told.status_code == 404
        if told.is_success or (told.status_code, told.json()["type"]) != (
            unknown.status_code,
            unknown.json()["type"],
        ):
            wrong.append(f"{method} {path}: {told.status_code} {told.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert refused > 60
    assert house.run(other.services.access.changes_since(0)) == before


def test_cuts_tasks_and_secrets_take_no_identifier_of_the_other_hospital(
    house: House, other: World, staff: tuple[httpx.Client, httpx.Client]
) -> None:
    """What a body names is not found either, nor an account of theirs under a device of one's own."""
    mine, secret = house.world.device.id, {"secret": "un secret de plus"}
    cuts = {"person": other.who("alice"), "device": other.device.id, "supplier": other.supplier.id}
    attempts: list[tuple[str, str, dict[str, str]]] = [
        ("PUT", f"/v1/devices/{mine}/accounts/{other.account.id}/secret", secret),
        ("POST", "/v1/tasks", {"kind": "fetch-host-keys", "device_id": other.device.id}),
        *(
            ("POST", "/v1/cuts", {"scope": scope, "target": one, "reason": "x"})
            for scope, one in cuts.items()
        ),
    ]
    before = house.run(house.world.services.access.changes_since(0))
    for method, path, body in attempts:
        told = staff[0].request(method, path, json=body)
        assert told.status_code == 404, (method, path, told.text)
    assert house.run(house.world.services.access.changes_since(0)) == before


def test_what_is_asked_about_everything_tells_of_the_own_hospital_only(
    house: House,
    other: World,
    theirs: Mapping[str, str],
    staff: tuple[httpx.Client, httpx.Client],
    operations: list[tuple[str, str, dict[str, Any], set[str]]],
) -> None:
    """No answer to a question without an identifier holds one of the other hospital's: lists, plans, journal, proofs."""
    house.ingest_all()
    foreign = {one for one in theirs.values() if one.strip("0123456789") and len(set(one)) > 4}
    asked = 0
    for method, path, _, queries in operations:
        if method == "GET" and "{" not in path and not queries:
            told = answer(staff, method, path, {}, queries)
            asked += told.is_success
            assert not [one for one in foreign if one.encode() in told.content], path
    assert asked > 25


def test_a_window_cannot_name_the_other_hospital_s_people_or_devices(house: House, other: World) -> None:
    """Planning with an identifier of the other hospital is refused, in whichever field it stands."""
    mine = house.world
    body = {
        "kind": "remote_maintenance",
        "supplier_id": mine.supplier.id,
        "people": [mine.who("alice")],
        "devices": [mine.device.id],
        "channels": ["shell"],
        "purpose": "Attaque",
        "start": "2026-11-25 20:00",
        "end": "2026-11-25 22:00",
    }
    with house.client("dsi") as client:
        for change in (
            {"supplier_id": other.supplier.id},
            {"people": [other.who("alice")]},
            {"devices": [other.device.id]},
            {"intervention_id": other.window.intervention_id, "kind": None, "supplier_id": None},
        ):
            answer = client.post("/v1/windows", json=body | change)
            assert answer.status_code in (404, 422), (change, answer.text)
        assert client.post("/v1/windows", json=body).status_code == 201


def test_another_hospital_s_token_is_none_here(house: House, other: World) -> None:
    """Its own console knows from where it may be used: here it reads, changes and ends nothing, and is as unknown as any."""
    person = other.people["dsi"]
    token = house.run(other.services.tokens.issue(person, person.roles, timedelta(hours=1), "stolen"))
    with house.client() as client:
        unknown = client.get("/v1/me", headers={"Authorization": "Bearer nobody"})
        for verb, path in (
            ("GET", "/v1/me"),
            ("GET", "/v1/people"),
            ("POST", "/v1/logout"),
            ("GET", "/v1/tokens"),
        ):
            answer = client.request(verb, path, headers={"Authorization": f"Bearer {token.reveal()}"})
            assert answer.status_code == 401, path
            assert answer.json()["type"] == unknown.json()["type"]
    assert house.run(other.services.tokens.authenticate(token)).person.id == person.id
