"""What staff change after the first day: devices, accounts, interventions, tokens; each with who may not."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from policy.domain.people import Role
from tests.support.api_house import House
from tests.support.policy_world import host_key_line

REASON = {"reason": "Test"}


def _planner(house: House) -> httpx.Client:
    """Return a client whose token may plan, and nothing more."""
    client = house.client()
    token = house.token("dsi", roles=frozenset({Role.PLANNER})).reveal()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def _entries(house: House, name: str) -> list[dict[str, Any]]:
    house.ingest_all()
    with house.client("rssi") as client:
        found: list[dict[str, Any]] = client.get("/v1/journal", params={"name": name}).json()["items"]
    return found


def _device(house: House, name: str) -> str:
    with house.client("dsi") as client:
        zone = client.get("/v1/zones").json()["items"][0]["id"]
        body = {"name": name, "zone_id": zone, "address": "192.0.2.20"}
        return str(client.post("/v1/devices", json=body).raise_for_status().json()["id"])


def test_a_moved_device_forgets_its_host_keys(house: House) -> None:
    """Another address is another machine: what was pinned is gone, the rest stays, and the journal has both."""
    device = _device(house, "irm07")
    with house.client("dsi") as client:
        client.post(
            f"/v1/devices/{device}/host-keys", json={"public_key": host_key_line()}
        ).raise_for_status()
        described = client.patch(f"/v1/devices/{device}", json={"description": "IRM, bâtiment B"}).json()
        assert (described["description"], len(described["host_keys"])) == ("IRM, bâtiment B", 1)
        moved = client.patch(f"/v1/devices/{device}", json={"address": "192.0.2.21", "groups": ["imagerie"]})
    document = moved.json()
    assert (document["address"], document["host_keys"], document["groups"]) == (
        "192.0.2.21",
        [],
        ["imagerie"],
    )
    assert document["description"] == "IRM, bâtiment B"
    entry = _entries(house, "device.updated")[0]
    assert entry["actor"] == "dsi"
    assert entry["details"]["after"]["address"] == "192.0.2.21"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"port": 0}, "port"),
        ({"name": "autre"}, "name"),
        ({"address": "pas une adresse"}, "address"),
        ({"groups": ["PAS/UN/NOM"]}, "groups"),
        ({"zone_id": "x"}, "zone_id"),
    ],
)
def test_a_bad_change_of_a_device_names_the_field(house: House, body: dict[str, Any], field: str) -> None:
    """What a device cannot be is refused with the field's name, and nothing is changed."""
    device = house.world.device.id
    with house.client("dsi") as client:
        before = client.get(f"/v1/devices/{device}").json()
        answer = client.patch(f"/v1/devices/{device}", json=body)
        assert answer.status_code in (400, 422), answer.text
        assert field in str(answer.json())
        assert client.get(f"/v1/devices/{device}").json() == before


def test_a_planner_pins_host_keys_but_changes_no_device(house: House) -> None:
    """Comparing and pinning keys is a planner's; where a device stands is an administrator's."""
    device = _device(house, "irm08")
    with _planner(house) as client:
        line = {"public_key": host_key_line()}
        assert client.post(f"/v1/devices/{device}/host-keys", json=line).status_code == 200
        assert client.post(f"/v1/devices/{device}/host-keys/unpin", json=line).status_code == 200
        assert client.patch(f"/v1/devices/{device}", json={"port": 23}).status_code == 403
        asked = client.post("/v1/tasks", json={"kind": "fetch-host-keys", "device_id": device})
        assert asked.status_code == 202


def test_an_account_is_suspended_and_resumed(house: House) -> None:
    """A planner may stop an account and not start it again; security may. Another device's account is not found."""
    device, account = house.world.device.id, house.world.account.id
    place = f"/v1/devices/{device}/accounts/{account}"
    elsewhere = f"/v1/devices/{_device(house, 'irm09')}/accounts/{account}"
    with _planner(house) as planner, house.client("rssi") as security:
        assert planner.post(f"{elsewhere}/suspend", json=REASON).status_code == 404
        assert planner.post(f"{place}/suspend", json={"reason": " "}).status_code == 422
        assert planner.post(f"{place}/suspend", json=REASON).json()["active"] is False
        assert planner.post(f"{place}/resume", json=REASON).status_code == 403
        assert security.post(f"{place}/resume", json=REASON).json()["active"] is True
    assert _entries(house, "account.suspended")[0]["details"]["after"]["reason"] == "Test"


def test_an_intervention_is_held_resumed_and_closed(house: House) -> None:
    """Each step is a planner's, security is refused, and a closed one goes nowhere any more."""
    intervention = house.world.window.intervention_id
    place = f"/v1/interventions/{intervention}"
    with _planner(house) as planner, house.client("rssi") as security:
        assert security.post(f"{place}/hold", json=REASON).status_code == 403
        assert planner.post(f"{place}/resume", json=REASON).status_code == 409
        assert planner.post(f"{place}/hold", json=REASON).json()["state"] == "on_hold"
        assert planner.post(f"{place}/resume", json=REASON).json()["state"] == "approved"
        assert planner.post(f"{place}/close", json=REASON).json()["state"] == "closed"
        assert planner.post(f"{place}/cancel", json=REASON).status_code == 409
        found = planner.get("/v1/interventions", params={"prefix": intervention[:8]}).json()["items"]
    assert [item["state"] for item in found] == ["closed"]
    assert [entry["name"] for entry in _entries(house, "intervention.closed")] == ["intervention.closed"]


def test_security_cancels_a_window(house: House) -> None:
    """Whoever may stop things may cancel: a window that should not be needs no planner."""
    window = house.run(house.world.add_window())
    with house.client("rssi") as security:
        answer = security.post(f"/v1/windows/{window.id}/cancel", json=REASON)
    assert answer.json()["window"]["state"] == "cancelled"


def test_tokens_are_listed_and_revoked_by_their_id(house: House) -> None:
    """Security ends somebody's token without holding it: it is void with the next call, and the list says so."""
    dsi = house.world.who("dsi")
    house.clock.advance(timedelta(seconds=1))
    with house.client("dsi") as victim, house.client("rssi") as security:
        own = victim.get("/v1/tokens", params={"person_id": dsi}).json()["items"]
        token = own[0]
        assert (token["in_force"], token["label"], "token" in token) == (True, "test", False)
        assert security.post(f"/v1/tokens/{token['id']}/revoke").status_code == 204
        assert victim.get("/v1/me").status_code == 401
        shown = security.get("/v1/tokens", params={"prefix": token["id"][:12]}).json()["items"]
    assert [(item["in_force"], item["revoked"] is not None) for item in shown] == [(False, True)]
    assert _entries(house, "token.revoked")[0]["actor"] == "rssi"


def test_a_technician_sees_and_ends_her_own_tokens_only(house: House) -> None:
    """Her own are hers to list and to end; everybody's, or another's, are refused, and an unknown id is not found."""
    alice, dsi = house.world.who("alice"), house.world.who("dsi")
    house.token("dsi")
    with house.client("alice") as client, house.client("rssi") as security:
        assert client.get("/v1/tokens").status_code == 403
        assert client.get("/v1/tokens", params={"person_id": dsi}).status_code == 403
        other = security.get("/v1/tokens", params={"person_id": dsi}).json()["items"][0]["id"]
        assert client.post(f"/v1/tokens/{other}/revoke").status_code == 403
        assert client.post(f"/v1/tokens/{'f' * 32}/revoke").status_code == 404
        own = client.get("/v1/tokens", params={"person_id": alice}).json()["items"][0]["id"]
        assert client.post(f"/v1/tokens/{own}/revoke").status_code == 204
        assert client.get("/v1/me").status_code == 401


def test_a_person_shows_whether_she_enrolled(house: House) -> None:
    """Alice has finished her invitation, Bob has not: the one is shown as enrolled, the other is not."""
    with house.client("rssi") as client:
        alice = client.get(f"/v1/people/{house.world.who('alice')}").json()
        bob = client.get(f"/v1/people/{house.world.who('bob')}").json()
    assert (alice["enrolled"], bob["enrolled"]) == (True, False)


def test_what_was_asked_of_a_device_is_in_the_journal_on_that_device(house: House) -> None:
    """A task, an account and a change of its address are found by the device's name; another device's are not."""
    device = _device(house, "irm12")
    with house.client("dsi") as client:
        asked = client.post("/v1/tasks", json={"kind": "fetch-host-keys", "device_id": device})
        body = {"name": "maint", "method": "password", "secret": "Un-secret-pour-irm12"}
        client.post(f"/v1/devices/{device}/accounts", json=body).raise_for_status()
        client.patch(f"/v1/devices/{device}", json={"port": 2222}).raise_for_status()
    asked.raise_for_status()
    house.ingest_all()
    with house.client("rssi") as client:
        found = client.get("/v1/journal", params={"device": "irm12"}).json()["items"]
    assert {item["device"] for item in found} == {"irm12"}
    assert {item["name"] for item in found} >= {
        "device.created",
        "task.requested",
        "account.created",
        "device.updated",
    }
