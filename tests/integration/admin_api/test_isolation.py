"""Two hospitals in one installation: an identifier of the other is not found, whatever is asked of it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.api_house import House
from tests.support.policy_world import World, make_world


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


def test_nothing_of_the_other_hospital_can_be_read_or_changed(house: House, other: World) -> None:
    """Every route that takes an identifier answers 404 for the other hospital's, and changes nothing there."""
    why = {"reason": "Attaque"}
    key = {"public_key": other.device.host_keys[0]}
    person, device, supplier = (
        f"/v1/people/{other.who('alice')}",
        f"/v1/devices/{other.device.id}",
        other.supplier.id,
    )
    window = f"/v1/windows/{other.window.id}"
    attempts: list[tuple[str, str, dict[str, object] | None]] = [
        ("GET", f"/v1/hospitals/{other.id}", None),
        ("PATCH", f"/v1/hospitals/{other.id}", {"security_contact": "moi"}),
        ("GET", f"/v1/suppliers/{supplier}", None),
        ("PATCH", f"/v1/suppliers/{supplier}", {"name": "Pris"}),
        ("POST", f"/v1/suppliers/{supplier}/suspend", dict(why)),
        ("POST", f"/v1/suppliers/{supplier}/resume", dict(why)),
        ("GET", person, None),
        ("POST", f"{person}/invitation", None),
        ("POST", f"{person}/renewal", dict(why)),
        ("POST", f"{person}/suspend", dict(why)),
        ("POST", f"{person}/resume", dict(why)),
        ("POST", f"{person}/unlock", None),
        ("GET", f"{person}/keys", None),
        ("POST", f"{person}/keys", dict(key)),
        ("POST", f"{person}/keys/remove", {"fingerprint": "SHA256:abcdefgh"}),
        ("GET", f"/v1/zones/{other.zone.id}", None),
        ("GET", device, None),
        ("POST", f"{device}/suspend", dict(why)),
        ("POST", f"{device}/resume", dict(why)),
        ("POST", f"{device}/host-keys", dict(key)),
        ("POST", f"{device}/host-keys/unpin", dict(key)),
        ("GET", f"{device}/accounts", None),
        ("POST", f"{device}/accounts", {"name": "pris", "method": "password", "secret": "un secret de plus"}),
        ("PUT", f"{device}/accounts/{other.account.id}/secret", {"secret": "un secret de plus"}),
        (
            "PUT",
            f"/v1/devices/{house.world.device.id}/accounts/{other.account.id}/secret",
            {"secret": "un secret de plus"},
        ),
        ("POST", "/v1/tasks", {"kind": "fetch-host-keys", "device_id": other.device.id}),
        ("GET", f"/v1/interventions/{other.window.intervention_id}", None),
        ("GET", window, None),
        ("POST", f"{window}/approve", {"version": 1}),
        ("POST", f"{window}/cancel", dict(why)),
        ("POST", f"{window}/move", {"version": 2, "start": "2026-11-25 20:00", "end": "2026-11-25 21:00"}),
        ("POST", f"{window}/extend", {"minutes": 5}),
        ("POST", f"{window}/shorten", {"minutes": 5}),
        ("POST", f"{window}/refuse", {"version": 1, "reason": "essai"}),
        ("POST", f"{window}/extensions", {"minutes": 5}),
        ("POST", "/v1/cuts", {"scope": "person", "target": other.who("alice"), **why}),
        ("POST", "/v1/cuts", {"scope": "device", "target": other.device.id, **why}),
        ("POST", "/v1/cuts", {"scope": "supplier", "target": supplier, **why}),
    ]
    with house.client("dsi") as client:
        before = house.run(house.world.services.access.changes_since(0))
        for method, path, body in attempts:
            answer = client.request(method, path, json=body)
            assert answer.status_code == 404, (method, path, answer.text)
        assert house.run(house.world.services.access.changes_since(0)) == before


def test_lists_hold_the_own_hospital_only(house: House, other: World) -> None:
    """No list of one hospital holds an identifier of the other."""
    house.ingest_all()
    theirs = {
        other.id,
        other.supplier.id,
        other.device.id,
        other.zone.id,
        other.window.id,
        *map(other.who, other.people),
    }
    paths = (
        "hospitals",
        "suppliers",
        "people",
        "zones",
        "devices",
        "interventions",
        "windows",
        "tasks",
        "journal",
    )
    with house.client("dsi") as client:
        for path in paths:
            text = client.get(f"/v1/{path}", params={"limit": 500}).text
            assert not [key for key in theirs if key in text], path


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
